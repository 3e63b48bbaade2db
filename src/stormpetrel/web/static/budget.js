// The charts of the page Pages: pages by week against the promise, and what is left of error budgets.
"use strict";
(function () {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const drawn = new Map();

  function axis(more) {
    return { stroke: colour("--muted"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif", ...more };
  }

  const day = (t) => new Date(t * 1000).toISOString().slice(5, 10);
  const whole = (u, ticks) => ticks.map((t) => (Number.isInteger(t) ? String(t) : ""));
  const utc = (t) => uPlot.tzDate(new Date(t * 1000), "Etc/UTC");

  // Bars for what was paged, hollow dashed ones for what was held, a line for the promise.
  function weeks(place, answer, height) {
    const t = answer.weeks.map((week) => week.start_unix_nano / 1e9);
    const bars = (align, size) => uPlot.paths.bars({ size: [size, 60], align });
    const held = { label: "held", stroke: colour("--muted"), width: 1.4, dash: [3, 3], paths: bars(1, 0.3), points: { show: false } };
    const paged = { label: "paged", stroke: colour("--accent"), fill: colour("--accent"), width: 1, paths: bars(-1, 0.3), points: { show: false } };
    const promised = { label: "promised", stroke: colour("--error"), width: 2, dash: [8, 4], points: { show: false } };
    return new uPlot({
      width: Math.max(place.clientWidth, 200), height, tzDate: utc,
      series: [{ label: "week of", value: (u, v) => (v === null ? "–" : new Date(v * 1000).toISOString().slice(0, 10)) }, paged, held, promised],
      axes: [axis({ splits: () => t, values: (u, ticks) => ticks.map(day), size: 28, space: 40 }), axis({ values: whole, size: 38 })],
      scales: {
        x: { time: true, range: [t[0] - 4.2e5, t[t.length - 1] + 4.2e5] },
        y: { range: (u, low, high) => [0, Math.max(high || 0, answer.per_week, 1) * 1.15] },
      },
      cursor: { drag: { x: false, y: false } },
      legend: { live: false, markers: { width: 2 } },
    }, [t, answer.weeks.map((w) => w.budget), answer.weeks.map((w) => w.held), t.map(() => answer.per_week)], place);
  }

  function burn(place, answer, height, name) {
    const slo = answer.slos.find((one) => one.name === name);
    if (!slo || !slo.hour_unix_nano.length) return null;
    const t = slo.hour_unix_nano.map((n) => n / 1e9);
    const percent = (v) => `${Number((v * 100).toPrecision(3))} %`;
    return new uPlot({
      width: Math.max(place.clientWidth, 200), height, tzDate: utc,
      series: [
        { label: "UTC", value: (u, v) => (v === null ? "–" : new Date(v * 1000).toISOString().slice(0, 16).replace("T", " ")) },
        { label: "left", stroke: colour("--line-ink"), width: 1.8, fill: colour("--envelope"), value: (u, v) => (v === null ? "unknown" : percent(v)) },
      ],
      axes: [axis({ size: 28, space: 70, values: (u, ticks) => ticks.map(day) }), axis({ size: 52, values: (u, ticks) => ticks.map(percent) })],
      scales: { x: { time: true }, y: { range: (u, low) => [Math.min(0, low || 0), 1.05] } },
      cursor: { drag: { x: false, y: false } },
      legend: { show: false },
    }, [t, slo.hour_left_ratio], place);
  }

  async function show(figure) {
    const place = document.createElement("div");
    place.className = "plot";
    let chart = null;
    try {
      const got = await fetch(figure.dataset.weeks || figure.dataset.burn, { headers: { Accept: "application/json" } });
      const answer = await got.json();
      if (!got.ok) throw new Error(answer.error ? answer.error.message : `status ${got.status}`);
      const old = figure.querySelector(".plot");
      if (old) old.remove();
      figure.prepend(place);
      const height = Number(figure.dataset.height) || 180;
      chart = figure.dataset.weeks ? weeks(place, answer, height) : burn(place, answer, height, figure.dataset.name);
    } catch (failure) {
      place.className = "plot-note";
      place.textContent = `The chart could not be drawn: ${failure.message}`;
      if (!place.isConnected) figure.prepend(place);
    }
    if (!chart) return;
    drawn.set(figure, chart);
    chart.root.setAttribute("role", "img");
    chart.root.setAttribute("aria-label", figure.querySelector("figcaption").textContent);
    figure.dataset.drawn = "1";
  }

  const sized = new ResizeObserver((entries) => {
    for (const entry of entries) {
      const chart = drawn.get(entry.target);
      const width = Math.floor(entry.contentRect.width);
      if (chart && width > 100 && width !== chart.width) chart.setSize({ width, height: chart.height });
    }
  });
  function find() {
    for (const [figure, chart] of Array.from(drawn)) {
      if (!figure.isConnected) { chart.destroy(); drawn.delete(figure); }
    }
    for (const figure of document.querySelectorAll("figure[data-weeks]:not([data-seen]), figure[data-burn]:not([data-seen])")) {
      figure.dataset.seen = "1";
      sized.observe(figure);
      show(figure);
    }
  }
  document.addEventListener("DOMContentLoaded", find);
  document.addEventListener("htmx:afterSettle", find);
  document.addEventListener("petrel:theme", () => {
    for (const [figure, chart] of Array.from(drawn)) { chart.destroy(); drawn.delete(figure); show(figure); }
  });
})();
