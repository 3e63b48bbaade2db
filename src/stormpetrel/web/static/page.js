// Behaviour of every page: theme, keyboard, ages, live updates. No framework, nothing inline.
"use strict";
(function () {
  const one = (selector, within) => (within || document).querySelector(selector);
  const all = (selector, within) => Array.from((within || document).querySelectorAll(selector));

  // Theme: the cookie lets the server answer in the right colours at once.
  function toggleTheme() {
    const dark = document.documentElement.dataset.theme
      ? document.documentElement.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    const next = dark ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    document.cookie = `petrel_theme=${next}; Path=/; Max-Age=31536000; SameSite=Lax`;
    document.dispatchEvent(new CustomEvent("petrel:theme"));
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
    document.dispatchEvent(new CustomEvent("petrel:theme")));

  // Ages: the server wrote them once; they grow while the page is open.
  // This machine's clock may be off; ages are told by the server's.
  const skewMilliseconds = Date.now() - Date.parse(document.documentElement.dataset.now);
  function ageText(seconds) {
    if (seconds < 1) return "just now";
    if (seconds < 60) return `${Math.floor(seconds)} s ago`;
    const pick = seconds < 3600 ? [60, "min", 1, "s"] : seconds < 86400 ? [3600, "h", 60, "min"] : [86400, "d", 3600, "h"];
    const big = Math.floor(seconds / pick[0]);
    const rest = Math.floor((seconds % pick[0]) / pick[2]);
    return `${big} ${pick[1]}${rest && pick[0] > 60 ? ` ${rest} ${pick[3]}` : ""} ago`;
  }
  function refreshAges() {
    const now = Date.now() - skewMilliseconds;
    for (const place of all("[data-age]")) {
      const source = place.closest("time");
      const stamp = Date.parse(place.dataset.time || (source && source.dateTime));
      if (stamp <= now) place.textContent = ageText((now - stamp) / 1000);
    }
  }
  setInterval(refreshAges, 5000);

  // Keyboard.
  const places = { n: "/", i: "/incidents", p: "/pages", e: "/explore", l: "/logs", c: "/calendar", s: "/sources", q: "/quality", a: "/about" };
  let going = 0;
  function walk(step) {
    const items = all("[data-item]").filter((item) => item.offsetParent !== null);
    if (!items.length) return;
    const at = items.indexOf(document.activeElement);
    const next = at < 0 ? (step > 0 ? 0 : items.length - 1) : Math.min(Math.max(at + step, 0), items.length - 1);
    items[next].focus();
    items[next].scrollIntoView({ block: "nearest" });
  }
  function toggleHelp() {
    const help = one("#help");
    if (!help) return;
    if (help.open) help.close(); else help.showModal();
  }
  document.addEventListener("keydown", (press) => {
    const field = press.target.closest("input, textarea, select");
    if (press.key === "Escape") {
      if (field) field.blur();
      all("details.menu[open]").forEach((menu) => { menu.open = false; });
      return;
    }
    if (field || press.ctrlKey || press.metaKey || press.altKey) return;
    if (Date.now() - going < 1500 && places[press.key]) {
      going = 0;
      location.assign(places[press.key]);
    } else if (press.key === "g") {
      going = Date.now();
    } else if (press.key === "j" || press.key === "k") {
      walk(press.key === "j" ? 1 : -1);
    } else if (press.key === "/") {
      const search = one("[data-search]");
      if (search) { press.preventDefault(); search.focus(); search.select(); }
    } else if (press.key === "?") {
      toggleHelp();
    }
  });
  document.addEventListener("click", (click) => {
    if (click.target.closest("[data-theme-toggle]")) toggleTheme();
    if (click.target.closest("[data-help]")) toggleHelp();
    all("details.menu[open]").forEach((menu) => { if (!menu.contains(click.target)) menu.open = false; });
  });

  // Live: the stream says what changed, htmx fetches it. Without the stream the page says so.
  const WORDS = { live: "live", lost: "not live", connecting: "connecting" };
  function showLive(state) {
    const place = one("#live");
    if (!place || place.dataset.state === state) return;
    place.dataset.state = state;
    one("span", place).textContent = WORDS[state];
    place.title = state === "live" ? "Updates arrive as they happen"
      : "No live updates: what you see may be out of date. Reload, or wait for the connection.";
  }
  function announce(text) { one("#announce").textContent = text; }
  // At most one refresh a topic in a while, and always one after the last message of a burst. Not htmx's
  // throttle: that one is shared by all triggers of an element and would swallow an incident after a tick.
  const REST_MILLISECONDS = { tick: 10000 };
  const resting = new Map();
  function pass(topic, message) {
    if (resting.has(topic)) { resting.set(topic, message); return; }
    htmx.trigger(document.body, `live-${topic}`, message);
    resting.set(topic, null);
    setTimeout(() => {
      const last = resting.get(topic);
      resting.delete(topic);
      if (last) pass(topic, last);
    }, REST_MILLISECONDS[topic] || 2000);
  }
  function listen() {
    if (!one("#live") || !window.EventSource) return;
    const stream = new EventSource("/live");
    stream.addEventListener("hello", () => showLive("live"));
    stream.addEventListener("petrel", (sent) => {
      showLive("live");
      const message = JSON.parse(sent.data);
      pass(message.topic, message);
      if (message.topic === "incident") announce(message.text);
    });
    stream.onerror = () => {
      showLive("lost");
      // A refused stream is not tried again by the browser: signed out, or all places taken.
      if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 15000);
    };
    addEventListener("pagehide", () => stream.close(), { once: true });
  }

  // A refresh must not take away the field or the button that somebody is about to use.
  document.addEventListener("htmx:beforeSwap", (swap) => {
    const target = swap.detail.target;
    const active = document.activeElement;
    const using = active && target.contains(active) && active.closest("form");
    if (using && swap.detail.requestConfig.elt === target) swap.detail.shouldSwap = false;
  });
  document.addEventListener("htmx:sendError", () => showLive("lost"));
  document.addEventListener("htmx:responseError", () => showLive("lost"));
  document.addEventListener("DOMContentLoaded", () => { listen(); refreshAges(); });
})();
