"use strict";
// Renews what is marked as live, in place: the scroll, the filters and the focus stay. The page works
// without this, and is then renewed by loading it again.
(() => {
  const EVERY = 5000;
  const PATIENCE = 10000;
  const AGED_AFTER = 20000;
  const lost = document.getElementById("lost");
  const filters = document.getElementById("filters");
  let renewedAt = Date.now();
  let turn = 0;
  let timer = 0;

  const clock = (moment) => new Date(moment).toISOString().slice(11, 19);

  function showAge() {
    const age = Date.now() - renewedAt;
    const seconds = Math.round(age / 1000);
    document.getElementById("age").textContent = seconds > 1 ? `, ${seconds} s ago` : "";
    document.body.classList.toggle("aged", age > AGED_AFTER);
  }

  function showLost(what) {
    const text = `${what} What is shown is from ${clock(renewedAt)} UTC.`;
    if (lost.textContent !== text) lost.textContent = text;
    lost.hidden = false;
    document.body.classList.add("lost");
  }

  function showFound() {
    lost.hidden = true;
    lost.textContent = "";
    document.body.classList.remove("lost");
  }

  // Somebody who marks text to copy it wants it to stay.
  function isMarking(part) {
    const selection = document.getSelection();
    return selection && !selection.isCollapsed && part.contains(selection.anchorNode);
  }

  function place(element) {
    const link = element.getAttribute("href");
    return link ? [...document.querySelectorAll("[href]")].filter((each) => each.getAttribute("href") === link) : [];
  }

  function renew(fresh) {
    const focused = document.activeElement;
    const same = focused && focused.closest("[data-live]") ? place(focused).indexOf(focused) : -1;
    const scroll = [window.scrollX, window.scrollY];
    for (const part of document.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(part.id);
      if (!next || isMarking(part)) continue;
      if (part.className !== next.className) part.className = next.className;
      if (part.innerHTML !== next.innerHTML) part.replaceChildren(...next.childNodes);
    }
    if (same >= 0 && !focused.isConnected) {
      const again = place(focused);
      (again[same] || again[0] || document.getElementById("main")).focus({ preventScroll: true });
    }
    window.scrollTo(...scroll);
    document.title = fresh.title;
    const asOf = fresh.getElementById("as-of");
    if (asOf) document.getElementById("as-of").replaceWith(asOf);
  }

  async function refresh() {
    clearTimeout(timer);
    const mine = ++turn;
    try {
      const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
      const text = await answer.text();
      if (mine !== turn) return;
      if (answer.ok) {
        renew(new DOMParser().parseFromString(text, "text/html"));
        renewedAt = Date.now();
        showFound();
        showAge();
      } else if (answer.status === 404) showLost("This runner is not watched any more.");
      else if (answer.status === 503) showLost("This exporter is busy.");
      else showLost(`This exporter answers with status ${answer.status}.`);
    } catch {
      if (mine !== turn) return;
      showLost("This exporter does not answer.");
    }
    timer = setTimeout(renewIfSeen, EVERY);
  }

  function renewIfSeen() {
    if (document.hidden) timer = setTimeout(renewIfSeen, EVERY);
    else refresh();
  }

  if (filters) {
    let typing = 0;
    const apply = () => {
      const given = [...new FormData(filters)].filter(([, value]) => value !== "");
      const query = new URLSearchParams(given).toString();
      history.replaceState(null, "", query ? `?${query}` : location.pathname);
      refresh();
    };
    filters.addEventListener("submit", (event) => {
      event.preventDefault();
      apply();
    });
    filters.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(apply, 250);
    });
  }
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refresh();
  });
  setInterval(showAge, 1000);
  timer = setTimeout(renewIfSeen, EVERY);
})();
