// Keeps what is marked data-live up to date, by asking for the page again: the server says how everything looks.
"use strict";

const SECONDS = 1;
const live = document.querySelector('[data-live="on"]');
const sign = document.getElementById("live");

function busy(part) {
  const chosen = document.getSelection();
  return part.contains(document.activeElement) || (chosen && !chosen.isCollapsed && part.contains(chosen.anchorNode));
}

function renew(shown, fresh) {
  if (shown && fresh && fresh.innerHTML !== shown.innerHTML && !busy(shown)) shown.innerHTML = fresh.innerHTML;
}

async function refresh() {
  if (document.hidden || busy(live)) return;
  try {
    const response = await fetch(location.href);
    if (!response.ok) throw new Error(String(response.status));
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    renew(live, page.querySelector("[data-live]"));
    for (const nav of ["header nav", "nav.types"]) renew(document.querySelector(nav), page.querySelector(nav));
    sign.classList.remove("gone");
    sign.textContent = "live";
  } catch {
    sign.classList.add("gone");
    sign.textContent = "the fake doesn't respond";
  }
}

async function keep() {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
    await refresh();
  }
}

if (live) {
  sign.hidden = false;
  keep();
}

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-back]") && history.length > 1) {
    event.preventDefault();
    history.back();
  }
});
