"""A page as a browser would see it, and what every page of ours must be."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._style = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if not self._style:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def check_page(html: str) -> Page:
    """Nothing asked for from outside, nothing run, everything named."""
    page = Page(html)
    assert not {"script", "link", "iframe", "object", "base", "a", "form"} & {name for name, _ in page.elements}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert all(str(image["src"]).startswith("data:image/jpeg;base64,") and image["alt"] for image in page.all("img"))
    assert "url(" not in html
    assert "@import" not in html
    assert {attributes["name"] for attributes in page.all("meta") if "name" in attributes} == {"viewport"}
    assert page.all("html") == [{"lang": "en"}]
    assert all(attributes.get("scope") for attributes in page.all("th"))
    assert len(page.all("h1")) == 1
    return page
