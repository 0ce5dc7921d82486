"""Opens a page in a headless Chromium and says, as JSON, what became of it.

    python3 page.py CHROMIUM PAGE [FOLDER]

For each width and colour scheme: messages of the console, requests beyond the file itself, how wide the
page is and which pictures lack a title or show a number that stands nowhere as text. With a folder,
pictures of the screens and the printed page are put there, and `top.png`, which the README shows.
Standard library alone: the browser is spoken to through two pipes.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

# A phone, a desk, and a sheet of A4 within its margins.
SCREENS = [(360, 800, "light", "screen"), (360, 800, "dark", "screen"), (1280, 900, "light", "screen"),
           (1280, 900, "dark", "screen"), (688, 900, "light", "print")]

# What the README shows.
TOP = {"x": 108, "y": 0, "width": 1064, "height": 905, "scale": 1}

LOOK = r"""
(() => {
  const outside = document.body.cloneNode(true);
  outside.querySelectorAll("svg").forEach(it => it.remove());
  const words = outside.textContent.replace(/\s+/g, " ");
  const pictures = [...document.querySelectorAll('svg[role="img"]')].map(svg => {
    const title = (svg.querySelector("title") || {}).textContent || "";
    const desc = (svg.querySelector("desc") || {}).textContent || "";
    const shown = [...svg.querySelectorAll("text")].map(it => it.textContent).join(" ");
    const numbers = (desc + " " + shown).match(/[$€£][\d,]+\.\d+/g) || [];
    const labels = (svg.getAttribute("aria-labelledby") || "").split(" ");
    return {
      title, numbers: numbers.length,
      labelled: labels.length > 1 && labels.every(id => document.getElementById(id)),
      lost: numbers.filter(it => !words.includes(it)),
    };
  });
  const ids = [...document.querySelectorAll("[id]")].map(it => it.id);
  const total = document.getElementById("total");
  const text = node => node.textContent.trim();
  return {
    scroll_width: document.documentElement.scrollWidth,
    inner_width: window.innerWidth,
    language: document.documentElement.lang,
    title: document.title,
    total: total && total.getAttribute("value"),
    total_text: total && text(total),
    pictures,
    same_ids: ids.filter((id, at) => ids.indexOf(id) !== at),
    scripts: document.scripts.length,
    headings: [...document.querySelectorAll("h1, h2")].map(text),
    tables: [...document.querySelectorAll("table")].map(table => ({
      caption: text(table.caption), rows: table.tBodies[0].rows.length,
      heads: [...table.querySelectorAll("thead th")].every(it => it.scope === "col"),
      names: [...table.tBodies[0].rows].every(row => row.cells[0].scope === "row"),
      sum: [...table.tBodies[0].rows].filter(row => row.className === "sum")
        .map(row => [...row.querySelectorAll("data")].map(it => it.value)),
    })),
    contrasts: contrasts(),
    text: document.body.innerText,
  };

  // The lowest contrast of any text with what is behind it, by the formula of WCAG 2.
  function contrasts() {
    const light = rgb => {
      const [r, g, b] = rgb.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const read = text => text.match(/[\d.]+/g).map(Number);
    const behind = node => {
      for (; node; node = node.parentElement) {
        const rgba = read(getComputedStyle(node).backgroundColor);
        if (rgba.length < 4 || rgba[3] > 0) return rgba.slice(0, 3);
      }
      return [255, 255, 255];
    };
    let worst = { ratio: 21, text: "" };
    for (const node of document.querySelectorAll("body *")) {
      const own = [...node.childNodes].some(it => it.nodeType === 3 && it.data.trim());
      if (!own || node.closest("title, desc")) continue;
      const style = getComputedStyle(node);
      const inside = node.namespaceURI.endsWith("svg") ? style.fill : style.color;
      const pair = [light(read(inside).slice(0, 3)), light(behind(node))].sort((a, b) => b - a);
      const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
      if (ratio < worst.ratio) worst = { ratio, text: node.textContent.slice(0, 40) };
    }
    return worst;
  }
})()
"""


class Browser:
    def __init__(self, program, home):
        to_read, to_write = os.pipe()
        from_read, from_write = os.pipe()

        def pipes():
            os.dup2(to_read, 3)
            os.dup2(from_write, 4)

        # Root has no sandbox there; the page is our own.
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                 "--no-first-run", "--disable-background-networking", "--disable-component-update",
                 "--disable-sync", "--hide-scrollbars", "--force-color-profile=srgb",
                 f"--user-data-dir={home}", "--remote-debugging-pipe", "about:blank"]
        # 3 and 4 may be among the pipes' own numbers, so both ends are moved up first.
        to_read, from_write = (os.dup(it) for it in self._above(to_read, from_write))
        self.process = subprocess.Popen([program, *flags], preexec_fn=pipes, close_fds=False,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        env={**os.environ, "HOME": home})
        os.close(to_read)
        os.close(from_write)
        self.out, self.into = os.fdopen(to_write, "wb"), os.fdopen(from_read, "rb")
        self.count, self.rest, self.events = 0, b"", []

    @staticmethod
    def _above(*numbers):
        import fcntl
        return [fcntl.fcntl(number, fcntl.F_DUPFD, 10) for number in numbers]

    def message(self):
        while b"\0" not in self.rest:
            part = self.into.read1(1 << 20)
            if not part:
                raise SystemExit("the browser has ended")
            self.rest += part
        one, self.rest = self.rest.split(b"\0", 1)
        return json.loads(one)

    def call(self, method, session=None, **params):
        self.count += 1
        call = {"id": self.count, "method": method, "params": params}
        if session:
            call["sessionId"] = session
        self.out.write(json.dumps(call).encode() + b"\0")
        self.out.flush()
        while True:
            message = self.message()
            if message.get("id") == self.count:
                if "error" in message:
                    raise SystemExit(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def wait(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.message())


def look(browser, page, width, height, scheme, medium, folder):
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    call = lambda method, **params: browser.call(method, session, **params)
    for domain in ("Page", "Runtime", "Log", "Network"):
        call(f"{domain}.enable")
    call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
         mobile=width < 600)
    call("Emulation.setEmulatedMedia", media=medium,
         features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.events.clear()
    address = Path(page).resolve().as_uri()
    call("Page.navigate", url=address)
    browser.wait("Page.loadEventFired")
    found = call("Runtime.evaluate", expression=LOOK, returnByValue=True)
    if "exceptionDetails" in found:
        raise SystemExit(json.dumps(found["exceptionDetails"]))
    result = found["result"]["value"]
    noise = {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}
    asked = [event["params"]["request"]["url"] for event in browser.events
             if event.get("method") == "Network.requestWillBeSent"]
    result["console"] = [event["params"] for event in browser.events if event.get("method") in noise]
    result["requests"] = [url for url in asked if url != address and not url.startswith("data:")]
    # The window of a phone grows with a page that is too wide, so its width is said by us.
    result["width"] = width
    result["screen"] = f"{width}x{height} {scheme} {medium}"
    if folder:
        shot = call("Page.captureScreenshot", format="png", captureBeyondViewport=True,
                    clip=whole(call, width))
        (Path(folder) / f"{width}-{scheme}-{medium}.png").write_bytes(base64.b64decode(shot["data"]))
        if (width, scheme, medium) == (1280, "light", "screen"):
            top = call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=TOP)
            (Path(folder) / "top.png").write_bytes(base64.b64decode(top["data"]))
        if medium == "print":
            printed = call("Page.printToPDF", preferCSSPageSize=True)
            (Path(folder) / "printed.pdf").write_bytes(base64.b64decode(printed["data"]))
    browser.call("Target.closeTarget", targetId=target)
    return result


def whole(call, width):
    size = call("Page.getLayoutMetrics")["cssContentSize"]
    return {"x": 0, "y": 0, "width": width, "height": size["height"], "scale": 1}


def main():
    program, page, *folder = sys.argv[1:]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        browser = Browser(program, home)
        try:
            looks = [look(browser, page, *screen, folder[0] if folder else None) for screen in SCREENS]
            print(json.dumps(looks))
        finally:
            try:
                browser.call("Browser.close")
            except (SystemExit, OSError):
                browser.process.kill()
            browser.process.wait()


if __name__ == "__main__":
    main()
