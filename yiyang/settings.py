"""Says which `YIYANG_…` variables are missing or wrong, before anything starts: docs/settings.md"""

from pydantic import ValidationError

from gateway.settings import GatewaySettings
from services.kit.settings import ServiceSettings
from yiyang.command import CommandError


def check_settings(*kinds: type[ServiceSettings | GatewaySettings]) -> None:
    try:
        for kind in kinds:
            kind()
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        wrong = "; ".join(f"YIYANG_{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in faults)
        raise CommandError("配置有误", f"wrong settings: {wrong}") from error
    except ValueError as error:  # a value that is no JSON where JSON is asked for
        raise CommandError("配置有误", f"wrong settings: {error}") from error
