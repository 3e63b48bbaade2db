// Fetches and draws every figure of a page; keeps the explorer's address in step with what is shown.
"use strict";
(function () {
  const drawn = new Map();

  function address(figure) {
    const at = new URL(figure.dataset.chart, location.origin);
    for (const [name, key] of [["from", "from"], ["to", "to"], ["band", "band"]]) {
      if (figure.dataset[key]) at.searchParams.set(name, figure.dataset[key]);
    }
    return at;
  }

  function boxOf(figure) {
    let box = figure.querySelector(".plot");
    if (!box) {
      box = document.createElement("div");
      box.className = "plot";
      figure.prepend(box);
    }
    return box;
  }

  function say(figure, text) {
    const box = boxOf(figure);
    box.replaceChildren();
    const note = document.createElement("p");
    note.className = "plot-note";
    note.textContent = text;
    box.append(note);
  }

  async function load(figure) {
    const busy = (figure.petrelLoad = (figure.petrelLoad || 0) + 1);
    if (!drawn.has(figure)) say(figure, "Drawing …");
    let answer;
    try {
      const got = await fetch(address(figure), { headers: { Accept: "application/json" } });
      answer = await got.json();
      if (!got.ok) throw new Error(answer.error ? answer.error.message : `status ${got.status}`);
    } catch (failure) {
      if (busy !== figure.petrelLoad) return;
      drop(figure);
      say(figure, `The chart could not be drawn: ${failure.message}`);
      return;
    }
    if (busy === figure.petrelLoad) show(figure, answer);
  }

  function drop(figure) {
    const held = drawn.get(figure);
    if (held) { held.chart.destroy(); drawn.delete(figure); }
  }

  function show(figure, answer) {
    drop(figure);
    const box = boxOf(figure);
    box.replaceChildren();
    if (!answer.points.t.length) { say(figure, "No samples in this window: what the series did is unknown."); return; }
    const chart = petrelChart.draw(box, answer, {
      height: Number(figure.dataset.height) || 240,
      focus: figure.dataset.focus,
      zoomed: figure.dataset.zoom ? (from, to) => zoom(figure, from, to) : null,
    });
    drawn.set(figure, { chart, answer });
    chart.root.tabIndex = 0;
    chart.root.setAttribute("role", "img");
    chart.root.setAttribute("aria-label", `Chart of ${answer.name}; arrow keys read its values`);
    chart.root.addEventListener("keydown", (press) => walk(chart, press));
    figure.dataset.drawn = "1";
  }

  function walk(chart, press) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[press.key];
    if (!step) return;
    press.preventDefault();
    const times = chart.data[0];
    const at = chart.cursor.idx === null || chart.cursor.idx === undefined ? (step > 0 ? -1 : times.length) : chart.cursor.idx;
    const next = Math.min(Math.max(at + step * (press.shiftKey ? 10 : 1), 0), times.length - 1);
    chart.setCursor({ left: chart.valToPos(times[next], "x"), top: 10 });
  }

  // The explorer: dragging narrows the window, double-click goes back; the address always tells.
  const iso = (seconds) => new Date(seconds * 1000).toISOString();
  function zoom(figure, from, to) {
    if (to - from < 1) return;
    move(figure, iso(from), iso(to), true);
  }
  function move(figure, from, to, remember) {
    figure.dataset.from = from;
    figure.dataset.to = to;
    const at = new URL(location.href);
    at.searchParams.set("from", from);
    at.searchParams.set("to", to);
    if (remember) history.pushState({ petrel: true }, "", at);
    for (const [id, value] of [["range-from", from], ["range-to", to]]) {
      const field = document.getElementById(id);
      if (field) field.value = value;
    }
    document.querySelectorAll(".presets [aria-current]").forEach((link) => link.removeAttribute("aria-current"));
    load(figure);
    htmx.ajax("GET", at.pathname + at.search, { target: "#numbers", select: "#numbers", swap: "outerHTML" });
  }
  addEventListener("popstate", () => {
    const figure = document.getElementById("explorer-chart");
    const at = new URLSearchParams(location.search);
    if (figure) move(figure, at.get("from") || "-1h", at.get("to") || "now", false);
  });
  document.addEventListener("dblclick", (click) => {
    const figure = click.target.closest("#explorer-chart");
    const held = figure && drawn.get(figure);
    if (!held) return;
    const { min, max } = held.chart.scales.x;
    const half = (max - min) / 2;
    move(figure, iso(min - half), iso(Math.min(max + half, Date.now() / 1000)), true);
  });

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) { seen.unobserve(entry.target); load(entry.target); }
    }
  }, { rootMargin: "200px" });
  const sized = new ResizeObserver((entries) => {
    for (const entry of entries) {
      const held = drawn.get(entry.target);
      const width = Math.floor(entry.contentRect.width);
      if (held && width > 100 && width !== held.chart.width) held.chart.setSize({ width, height: held.chart.height });
    }
  });
  function find() {
    for (const figure of document.querySelectorAll("figure[data-chart]:not([data-seen])")) {
      figure.dataset.seen = "1";
      seen.observe(figure);
      sized.observe(figure);
    }
  }
  document.addEventListener("DOMContentLoaded", find);
  document.addEventListener("htmx:afterSettle", find);
  document.addEventListener("petrel:theme", () => {
    for (const [figure, held] of Array.from(drawn)) show(figure, held.answer);
  });

  // A window that ends now moves along while it is looked at.
  let moved = 0;
  document.addEventListener("live-tick", () => {
    const figure = document.getElementById("explorer-chart");
    if (!figure || figure.dataset.to !== "now" || document.hidden || Date.now() - moved < 10000 || figure.matches(":hover")) return;
    moved = Date.now();
    load(figure);
  });
})();
