// One chart: observed line, extremes, expected band, findings hatched and named. Drawn by uPlot.
"use strict";
window.petrelChart = (function () {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Numbers with units, as the server writes them.
  function plain(value) {
    const size = Math.abs(value);
    if (size !== 0 && (size >= 1e9 || size < 1e-4)) return value.toExponential(1).replace("e+", "e");
    return value.toLocaleString("en", { maximumSignificantDigits: size >= 1000 ? 6 : 4 });
  }
  function bytes(value) {
    let size = value;
    for (const unit of ["B", "KiB", "MiB", "GiB", "TiB"]) {
      if (Math.abs(size) < 1024) return `${plain(Number(size.toPrecision(3)))} ${unit}`;
      size /= 1024;
    }
    return `${plain(size)} PiB`;
  }
  function seconds(value) {
    const size = Math.abs(value);
    if (size === 0 || size >= 60) return size >= 3600 ? `${plain(Number((value / 3600).toPrecision(4)))} h` : `${plain(Number(value.toPrecision(4)))} s`;
    if (size >= 1) return `${plain(Number(value.toPrecision(4)))} s`;
    return size >= 1e-3 ? `${plain(value * 1e3)} ms` : `${plain(value * 1e6)} µs`;
  }
  function writer(unit) {
    const low = (unit || "").toLowerCase();
    const perSecond = low.endsWith("/s");
    const stem = perSecond ? low.slice(0, -2) : low;
    if (["bytes", "by", "byte", "b"].includes(stem)) return (v) => bytes(v) + (perSecond ? "/s" : "");
    if (stem === "ratio") return (v) => `${plain(v * 100)} %${perSecond ? "/s" : ""}`;
    if (["seconds", "s", "second"].includes(low)) return seconds;
    const short = { seconds: "s", second: "s", s: "s", milliseconds: "ms", millisecond: "ms", ms: "ms" }[stem];
    if (short) return (v) => `${plain(v)} ${short}${perSecond ? "/s" : ""}`;
    return (v) => (unit && unit !== "1" ? `${plain(v)} ${unit}` : plain(v));
  }

  // Points and band have times of their own; uPlot wants one common time axis.
  function align(answer) {
    const p = answer.points;
    const drawn = [p.t, p.low, p.high, p.mean];
    if (!answer.band || !answer.band.t.length) return drawn.concat([p.t.map(() => null), p.t.map(() => null), p.t.map(() => null)]);
    const b = answer.band;
    // Mode 2 widens a null up to the next real value, so that silence stays a gap after the joining.
    return uPlot.join([drawn, [b.t, b.low, b.high, b.expected]], [[0, 2, 2, 2], [0, 2, 2, 2]]);
  }

  function hatch(context, ink) {
    const ratio = devicePixelRatio || 1;
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8 * ratio;
    const pen = tile.getContext("2d");
    pen.strokeStyle = ink;
    pen.lineWidth = 1.1 * ratio;
    pen.globalAlpha = 0.55;
    for (const shift of [-8, 0, 8]) {
      pen.beginPath();
      pen.moveTo((shift - 1) * ratio, 9 * ratio);
      pen.lineTo((shift + 9) * ratio, -1 * ratio);
      pen.stroke();
    }
    return context.createPattern(tile, "repeat");
  }

  // The strange part: hatched, framed, named, and its piece of the line drawn again, thicker.
  function drawMarks(u, answer, focus) {
    const pen = u.ctx;
    const ratio = devicePixelRatio || 1;
    const { left, top, width, height } = u.bbox;
    pen.save();
    pen.beginPath();
    pen.rect(left, top, width, height);
    pen.clip();
    let labelEnd = -Infinity;
    for (const mark of answer.findings) {
      const ink = colour(`--${mark.severity}`) || colour("--error");
      const from = Math.max(u.valToPos(mark.start, "x", true), left);
      const to = Math.min(Math.max(u.valToPos(mark.end, "x", true), from + 3 * ratio), left + width);
      if (to < left || from > left + width) continue;
      pen.globalAlpha = !focus || mark.id === focus ? 1 : 0.45;
      pen.fillStyle = hatch(pen, ink);
      pen.fillRect(from, top, to - from, height);
      pen.strokeStyle = ink;
      pen.lineWidth = ratio;
      pen.setLineDash([3 * ratio, 3 * ratio]);
      pen.strokeRect(from, top - 2, to - from, height + 4);
      pen.setLineDash([]);
      retrace(u, mark, ink, ratio);
      labelEnd = label(u, mark, from, ink, ratio, labelEnd);
    }
    pen.restore();
  }
  function retrace(u, mark, ink, ratio) {
    const pen = u.ctx;
    const [t, , , mean] = u.data;
    pen.strokeStyle = ink;
    pen.lineWidth = 2.6 * ratio;
    pen.lineJoin = "round";
    pen.beginPath();
    let down = false;
    for (let i = 0; i < t.length; i++) {
      if (t[i] < mark.start || t[i] > mark.end || mean[i] === undefined) continue;
      if (mean[i] === null) { down = false; continue; }
      const x = u.valToPos(t[i], "x", true);
      const y = u.valToPos(mean[i], "y", true);
      if (down) pen.lineTo(x, y); else pen.moveTo(x, y);
      down = true;
    }
    pen.stroke();
  }
  function label(u, mark, from, ink, ratio, labelEnd) {
    const pen = u.ctx;
    const text = `▲ ${mark.severity}${mark.odds ? `: ${mark.odds}` : ""}`;
    pen.font = `600 ${11 * ratio}px system-ui, sans-serif`;
    const wide = pen.measureText(text).width + 8 * ratio;
    const x = Math.max(Math.min(from, u.bbox.left + u.bbox.width - wide), u.bbox.left);
    if (x < labelEnd) return labelEnd;
    pen.fillStyle = colour("--surface");
    pen.fillRect(x, u.bbox.top, wide, 17 * ratio);
    pen.fillStyle = ink;
    pen.textBaseline = "middle";
    pen.textAlign = "left";
    pen.fillText(text, x + 4 * ratio, u.bbox.top + 9 * ratio);
    return x + wide;
  }

  function seriesOf(write, stepped, banded) {
    const line = colour("--line-ink");
    const band = colour("--band-ink");
    // Band and points have moments of their own: between two of them the earlier one holds.
    const shown = (u, v, column, at) => {
      let value = v;
      for (let i = at; value === undefined && i > 0 && at - i < 20; i--) value = u.data[column][i - 1];
      return value === null || value === undefined ? "–" : write(value);
    };
    const edge = { stroke: band, width: 1, dash: [4, 3], points: { show: false }, value: shown, show: banded };
    const extreme = { stroke: line, width: 0, alpha: 0.4, points: { show: false }, value: shown, show: stepped };
    return [
      { label: "UTC", value: (u, v) => (v === null ? "–" : new Date(v * 1000).toISOString().replace("T", " ").slice(0, 19)) },
      { ...extreme, label: "least" },
      { ...extreme, label: "greatest" },
      { label: stepped ? "mean" : "observed", stroke: line, width: 1.6, value: shown, points: { show: (u) => u.data[0].length < 80, size: 4, fill: line } },
      { ...edge, label: "band from" },
      { ...edge, label: "to" },
      { label: "expected", stroke: band, width: 1.2, dash: [1, 3], points: { show: false }, value: shown, show: banded },
    ];
  }

  // UTC, 24 hours; the date where the day changes.
  function times(u, ticks, axis, space, step) {
    let day = "";
    return ticks.map((t) => {
      const text = new Date(t * 1000).toISOString();
      const changed = text.slice(0, 10) !== day;
      day = text.slice(0, 10);
      if (step >= 86400) return day.slice(5);
      const time = text.slice(11, step >= 60 ? 16 : 19);
      return changed ? `${time}\n${day.slice(5)}` : time;
    });
  }

  // Head room for the names of findings; never below zero for what cannot be.
  function room(u, least, greatest) {
    if (least === null || greatest === null) return [0, 1];
    const high = greatest - least || Math.abs(greatest) || 1;
    const low = least - high * 0.08;
    return [least >= 0 && low < 0 ? 0 : low, greatest + high * 0.2];
  }

  function axes(write) {
    const ink = { stroke: colour("--muted"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    const wide = (u, values) => Math.max(38, 14 + 6.3 * Math.max(...(values || [""]).map((v) => String(v).length)));
    return [{ ...ink, size: 30, space: 64, values: times }, { ...ink, size: wide, values: (u, ticks) => ticks.map(write) }];
  }

  // Until somebody points at a moment, the legend tells the newest one.
  function tellNewest(u) {
    const mean = u.data[3];
    for (let i = mean.length - 1; i >= 0; i--) {
      if (mean[i] !== null && mean[i] !== undefined) { u.setLegend({ idx: i }); return; }
    }
  }

  // Draws into `place`; `zoomed(from, to)` is called with Unix seconds when somebody drags.
  function draw(place, answer, { height, focus, zoomed }) {
    const write = writer(answer.unit);
    const stepped = answer.step_seconds > 0;
    const banded = Boolean(answer.band && answer.band.t.length);
    return new uPlot({
      width: Math.max(place.clientWidth, 200),
      height,
      tzDate: (t) => uPlot.tzDate(new Date(t * 1000), "Etc/UTC"),
      series: seriesOf(write, stepped, banded),
      axes: axes(write),
      scales: { x: { time: true }, y: { range: room } },
      bands: [
        ...(stepped ? [{ series: [2, 1], fill: colour("--envelope") }] : []),
        ...(banded ? [{ series: [5, 4], fill: colour("--band") }] : []),
      ],
      cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 7 } },
      legend: { live: true, markers: { show: true, width: 2 } },
      hooks: {
        ready: [tellNewest],
        draw: [(self) => drawMarks(self, answer, focus)],
        setSelect: [(self) => {
          if (!zoomed || self.select.width < 6) return;
          zoomed(self.posToVal(self.select.left, "x"), self.posToVal(self.select.left + self.select.width, "x"));
          self.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        }],
      },
    }, align(answer), place);
  }

  return { draw };
})();
