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
    return seconds < -1 ? `in ${spanText(-seconds)}` : seconds < 1 ? "just now" : `${spanText(seconds)} ago`;
  }
  function spanText(seconds) {
    if (seconds < 60) return `${Math.floor(seconds)} s`;
    const pick = seconds < 3600 ? [60, "min", 1, "s"] : seconds < 86400 ? [3600, "h", 60, "min"] : [86400, "d", 3600, "h"];
    const big = Math.floor(seconds / pick[0]);
    const rest = Math.floor((seconds % pick[0]) / pick[2]);
    return `${big} ${pick[1]}${rest && pick[0] > 60 ? ` ${rest} ${pick[3]}` : ""}`;
  }
  function refreshAges() {
    const now = Date.now() - skewMilliseconds;
    for (const place of all("[data-age]")) {
      const source = place.closest("time");
      const stamp = Date.parse(place.dataset.time || (source && source.dateTime));
      if (stamp) place.textContent = ageText((now - stamp) / 1000);
    }
  }
  setInterval(refreshAges, 5000);

  // Keyboard.
  const places = { n: "/", i: "/incidents", p: "/pages", e: "/explore", l: "/logs", c: "/calendar", s: "/sources", q: "/quality", m: "/automation", a: "/about" };
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
  const SILENT_MILLISECONDS = 45000;  // three ticks of the server
  let heard = Date.now();
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
  // What was missed while nothing was heard is looked at, as soon as something is heard again.
  function hear() {
    heard = Date.now();
    const place = one("#live");
    const missed = place && place.dataset.state === "lost";
    showLive("live");
    if (missed) { pass("incident", {}); pass("tick", {}); }
  }
  // A phone that slept, or a network that went away without a word, ends no stream: silence has to tell.
  setInterval(() => { if (Date.now() - heard > SILENT_MILLISECONDS) showLive("lost"); }, 5000);
  function listen() {
    if (!one("#live") || !window.EventSource) return;
    const stream = new EventSource("/live");
    stream.addEventListener("hello", hear);
    stream.addEventListener("petrel", (sent) => {
      hear();
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

  // A refresh must not take away the field or the button that somebody is about to use; what was written before,
  // and what was opened to be read, is carried over it.
  const carried = new Map();
  const written = (place) => all("input:not([type=hidden], [type=password]), textarea", place);
  const fieldKey = (field) => [field.form && field.form.getAttribute("action"), field.name, /^(checkbox|radio)$/.test(field.type) && field.value].join(" ");
  const detailsKey = (details) => one("summary", details) && one("summary", details).textContent.trim();
  document.addEventListener("htmx:beforeSwap", (swap) => {
    const target = swap.detail.target;
    if (swap.detail.requestConfig.elt !== target) return;
    const active = document.activeElement;
    if (active && target.contains(active) && active.closest("form")) { swap.detail.shouldSwap = false; return; }
    carried.clear();
    for (const field of written(target)) {
      if (field.value !== field.defaultValue || field.checked !== field.defaultChecked) carried.set(fieldKey(field), field);
    }
    for (const details of all("details", target)) carried.set(detailsKey(details), details);
    carried.set("into", target.id);
  });
  document.addEventListener("htmx:afterSwap", () => {
    const place = document.getElementById(carried.get("into"));
    if (!place) return;
    for (const field of written(place)) {
      const was = carried.get(fieldKey(field));
      if (was) { field.value = was.value; field.checked = was.checked; }
    }
    for (const details of all("details", place)) {
      const was = carried.get(detailsKey(details));
      if (was) details.open = was.open;
    }
    carried.clear();
  });
  // A slider says where it stands.
  document.addEventListener("input", (moved) => {
    const said = moved.target.dataset && moved.target.dataset.said;
    if (said) document.getElementById(said).textContent = moved.target.value;
  });
  document.addEventListener("htmx:sendError", () => showLive("lost"));
  // A part of a page that was refused says so; where too many ask at once, it is asked for again.
  const MOST_TRIES = 5;
  const tries = new WeakMap();
  document.addEventListener("htmx:responseError", (failed) => {
    const { elt, target, xhr } = failed.detail;
    if (/live-|every /.test(elt.getAttribute("hx-trigger") || "")) { showLive("lost"); return; }
    if (!target || !target.hasAttribute("aria-live")) return;
    const tried = (tries.get(elt) || 0) + 1;
    const again = [429, 503].includes(xhr.status) && tried < MOST_TRIES;
    const seconds = Math.min(Math.max(Number(xhr.getResponseHeader("Retry-After")) || 5, 1), 60);
    const said = one(".refused", target) || target.insertBefore(document.createElement("p"), target.firstChild);
    said.className = "refused problem";
    said.textContent = again ? `Too many ask for this just now. It is asked for again in ${seconds} s.`
      : `This could not be shown (${xhr.status}). Reload the page to try again.`;
    tries.set(elt, tried);
    if (again) setTimeout(() => { if (elt.isConnected) htmx.trigger(elt, "again"); }, seconds * 1000);
  });
  // A form is sent once, however often its button is pressed; coming back to the page it may be sent again.
  const sent = new Set();
  document.addEventListener("submit", (submit) => {
    const form = submit.target;
    if (form.method !== "post" || submit.defaultPrevented) return;
    if (sent.has(form)) submit.preventDefault();
    sent.add(form);
  });
  addEventListener("pageshow", (shown) => {
    sent.clear();
    // Brought back whole by the back button: its stream was closed when it was left.
    if (shown.persisted) { showLive("lost"); listen(); }
  });
  // On a phone the row of places is longer than the screen: the present one is brought into it.
  function showPlace() {
    const here = one(".places [aria-current]");
    if (here) here.parentElement.scrollLeft = here.offsetLeft - (here.parentElement.clientWidth - here.offsetWidth) / 2;
  }
  document.addEventListener("DOMContentLoaded", () => { listen(); refreshAges(); showPlace(); });
})();
