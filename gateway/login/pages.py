"""The pages for people, in Chinese and English: plain HTML, no script, nothing from elsewhere.

https://www.w3.org/TR/CSP3/
"""

import base64
import hashlib
from html import escape
from string import Template
from typing import Final
from urllib.parse import urlsplit

from fastapi import Response

_STYLE: Final = (
    "body{font:16px/1.6 system-ui,sans-serif;margin:0;background:#f4f6f5;color:#1c2b26}"
    "main{max-width:24rem;margin:8vh auto;padding:2rem;background:#fff;border-radius:8px;box-shadow:0 1px 4px #0002}"
    "h1{font-size:1.3rem;margin:0 0 1rem}label{display:block;margin:1rem 0 .2rem}small{color:#5a6b65}"
    "input{width:100%;box-sizing:border-box;font:inherit;padding:.5rem;border:1px solid #9aa8a3;border-radius:4px}"
    "button{margin-top:1.5rem;width:100%;font:inherit;padding:.6rem;border:0;border-radius:4px;background:#0b6b53;color:#fff}"
    "button:focus,input:focus{outline:3px solid #7fc8b5}.error{padding:.6rem;border-left:4px solid #b3261e;background:#fdecea}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_PAGE: Final = Template(
    '<!DOCTYPE html><html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    f"<title>医养 Yiyang</title><style>{_STYLE}</style></head><body><main><h1>$title</h1>$content</main></body></html>"
)
_FIELD: Final = Template(
    '<label for="$name">$label</label><input id="$name" name="$name" type="$kind" autocomplete="$autocomplete" $more>'
)

# What the pages say. No text tells whether a name, a password or a code was wrong.
REFUSED: Final = "用户名、密码或验证码有误。 User name, password or code is wrong."
LOCKED: Final = "尝试次数过多，请稍后再试。 Too many attempts; try again later."
STALE: Final = "页面已过期，请重新登录。 This page has expired; log in again."
CHANGE: Final = "首次登录，请设置新密码。 This password was given to you: choose one of your own."
DIFFERENT: Final = "两次输入的新密码不一致。 The new passwords differ."
WEAK: Final = (
    "新密码须为 12 至 128 个字符，不得包含用户名或与旧密码相同。 "
    "12 to 128 characters, without the user name, not the old password."
)
BUSY: Final = "服务暂时不可用，请稍后再试。 Not available at the moment; try again."


def login_page(
    form_token: str, query: str, redirect_uri: str, *, error: str = "", name: str = "", changes: bool = False
) -> Response:
    """Return the page that asks who the person is, and for a new password where the first one must be changed."""
    fields = [
        _field(
            "name", "用户名 User name", "text", "username", f'value="{escape(name)}"' + ("" if name else " autofocus")
        ),
        _field("password", "密码 Password", "password", "current-password"),
        _field(
            "code",
            "验证码 One-time code <small>管理员必填 administrators only</small>",
            "text",
            "one-time-code",
            'inputmode="numeric" maxlength="6"',
            is_required=False,
        ),
    ]
    if changes:
        fields += [
            _field("new_password", "新密码 New password", "password", "new-password"),
            _field("new_password_again", "再次输入新密码 New password again", "password", "new-password"),
        ]
    hidden = {"request": query, "form_token": form_token}
    content = _form("/auth/login", hidden, "".join(fields), "登录 Log in")
    return _page("医养平台登录 Yiyang", _error(error) + content, allowed=_origin(redirect_uri))


def logout_page(form_token: str) -> Response:
    return _page("退出登录 Log out", _form("/auth/logout", {"form_token": form_token}, "", "退出 Log out"))


def told_page(title: str, text: str, status: int) -> Response:
    """Return a page that only says something."""
    return _page(title, f"<p>{escape(text)}</p>", status=status)


def _form(action: str, hidden: dict[str, str], fields: str, button: str) -> str:
    kept = "".join(f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in hidden.items())
    return f'<form method="post" action="{action}">{kept}{fields}<button>{button}</button></form>'


def _field(name: str, label: str, kind: str, autocomplete: str, more: str = "", *, is_required: bool = True) -> str:
    required = " required" if is_required else ""
    return _FIELD.substitute(name=name, label=label, kind=kind, autocomplete=autocomplete, more=more + required)


def _error(text: str) -> str:
    return f'<p class="error" role="alert">{escape(text)}</p>' if text else ""


def _page(title: str, content: str, *, status: int = 200, allowed: str = "") -> Response:
    policy = (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'{allowed}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    text = _PAGE.substitute(title=title, content=content)
    # With no-referrer a browser would send a form with the origin `null`: https://fetch.spec.whatwg.org/#append-a-request-origin-header
    headers = {"content-security-policy": policy, "referrer-policy": "same-origin"}
    return Response(text, status, headers, "text/html; charset=utf-8")


def _origin(redirect_uri: str) -> str:
    """Where a form may lead to at last: browsers hold form-action against redirects too."""
    parts = urlsplit(redirect_uri)
    return f" {parts.scheme}://{parts.netloc}" if parts.netloc else f" {parts.scheme}:"
