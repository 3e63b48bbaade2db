// The live tail: records from the stream on top, a bounded number kept. Text goes in as text, never as HTML.
"use strict";
(function () {
  const MOST = 500;
  function start() {
    const list = document.querySelector("[data-tail]");
    if (!list || !window.EventSource) return;
    const state = document.querySelector("#tail-state");
    const lost = document.querySelector("#tail-skipped");
    const button = document.querySelector("[data-tail-pause]");
    let paused = false;
    let waiting = [];
    let skipped = 0;
    function piece(name, text) {
      const made = document.createElement("span");
      made.className = name;
      made.textContent = text;
      return made;
    }
    function line(record) {
      const made = document.createElement("li");
      made.className = `log-${record.severity}`;
      made.append(piece("at", record.time.slice(11, 23)), piece("level", record.severity),
        piece("entity", record.entity), piece("line", record.body + (record.cut ? "…" : "")));
      return made;
    }
    function show(records) {
      for (const record of records) list.prepend(line(record));
      while (list.children.length > MOST) list.lastChild.remove();
    }
    function say(text) { state.textContent = text; }
    button.addEventListener("click", () => {
      paused = !paused;
      button.setAttribute("aria-pressed", String(paused));
      button.textContent = paused ? "Go on" : "Pause";
      if (!paused) { show(waiting); waiting = []; }
    });
    const stream = new EventSource(list.dataset.tail);
    stream.addEventListener("hello", () => say("waiting for records"));
    stream.addEventListener("records", (sent) => {
      const message = JSON.parse(sent.data);
      skipped += message.skipped;
      if (skipped) lost.textContent = `${skipped} more came too fast to show`;
      say("live");
      if (!paused) { show(message.records); return; }
      waiting = waiting.concat(message.records).slice(-MOST);
    });
    stream.onerror = () => say(stream.readyState === EventSource.CLOSED
      ? "not live: reload the page" : "connection lost, trying again");
    addEventListener("pagehide", () => stream.close(), { once: true });
  }
  document.addEventListener("DOMContentLoaded", start);
})();
