"""What one resource says in one line: its name and what there is to tell of it."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

Json = dict[str, Any]
Resolve = Callable[[Any], Json | None]

STATUS: Final = {
    "inactive": "非活动", "resolved": "已愈", "remission": "缓解", "recurrence": "复发", "relapse": "复发",
    "stopped": "已停用", "on-hold": "暂停", "completed": "已完成", "not-taken": "未服用", "intended": "拟用",
    "preliminary": "初步", "registered": "未出结果", "partial": "部分结果", "cancelled": "已取消", "draft": "草稿",
    "not-done": "未执行", "in-progress": "进行中", "refuted": "已排除", "unconfirmed": "未确认", "provisional": "暂定",
    "differential": "鉴别", "amended": "已更正", "corrected": "已更正", "onhold": "暂停", "planned": "计划中",
    "finished": "已结束", "revoked": "已撤销", "waitlist": "等待中",
}  # fmt: skip


class Line(NamedTuple):
    """`name` is what the resource is about, `detail` what it says of it."""

    name: str
    detail: str = ""

    @property
    def text(self) -> str:
        return "：".join(filter(None, self))


def status(resource: Json) -> str:
    """What is out of the ordinary with the status."""
    return STATUS.get(resource.get("status", ""), "") if resource.get("status") != "completed" else ""


def joined(*parts: str) -> str:
    return "，".join(filter(None, parts))
