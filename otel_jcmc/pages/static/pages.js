// The script of all pages. It shows times in the reader's time zone. It updates `/live` and does
// not move the rows while somebody reads them. Without this script all pages work, but `/live` does
// not update.
"use strict";

const OLD_MS = 15_000;
const SPREAD_MS = 500;
// For this long after the pointer has moved or a key was pressed, no row moves.
const BUSY_MS = 20_000;

const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const clock = (isPrecise) =>
  new Intl.DateTimeFormat(undefined, {
    hour: "2-digit",
    minute: "2-digit",
    ...(isPrecise ? { second: "2-digit" } : {}),
  });
const [toMinute, toSecond] = [clock(false), clock(true)];

/** Show the times in *of* in the reader's time zone. */
function tellTimes(of) {
  const today = day.format(new Date());
  for (const each of of.querySelectorAll("time[datetime]")) {
    const at = new Date(each.dateTime);
    const text = (each.dataset.precise === undefined ? toMinute : toSecond).format(at);
    each.textContent = day.format(at) === today ? text : `${day.format(at)}, ${text}`;
    each.title = at.toString();
  }
  for (const each of of.querySelectorAll("text[data-ms]")) {
    each.textContent = toMinute.format(new Date(Number(each.dataset.ms)));
  }
}

/** Return value -> element, for each element in *of* that has the attribute data-*name*. */
function named(of, name) {
  return new Map([...of.querySelectorAll(`[data-${name}]`)].map((each) => [each.dataset[name], each]));
}

/** Replace the content of *old* by the content of *fresh*, if they differ. */
function take(old, fresh) {
  if (old.innerHTML !== fresh.innerHTML) old.replaceChildren(...fresh.childNodes);
}

/**
 * Show the values of *fresh* in *look* without moving anything: rows get their new values, and rows
 * that are gone are marked.
 */
function updateInPlace(look, fresh) {
  const same = named(fresh, "same");
  for (const [name, each] of named(look, "same")) {
    if (same.has(name)) take(each, same.get(name));
  }
  const rows = named(fresh, "key");
  for (const [key, row] of named(look, "key")) {
    const other = rows.get(key);
    row.classList.toggle("gone", !other);
    if (!other) continue;
    // A line of text is replaced as a whole, a row of a table cell by cell.
    const [old, cells] = row.cells ? [row.cells, other.cells] : [[row], [other]];
    if (old.length !== cells.length) continue;
    for (const [at, cell] of [...old].entries()) {
      const isFree = !cell.querySelector("[data-key]") && !cell.contains(document.activeElement);
      if (isFree) take(cell, cells[at]);
    }
  }
}

/** Keep *look*, the part of `/live` that changes, up to date. */
function follow(look) {
  const age = document.getElementById("age");
  let [lastLook, movedAt, why, waits] = [Date.now(), 0, "", false];
  const move = () => { movedAt = Date.now(); };
  for (const kind of ["pointerdown", "keydown", "wheel", "touchmove"]) {
    addEventListener(kind, move, { passive: true });
  }
  // Browsers send pointermove also if the page moves under a resting pointer.
  addEventListener("pointermove", (event) => { if (event.movementX || event.movementY) move(); });

  function tellAge() {
    const isOld = Date.now() - lastLook > OLD_MS || why !== "";
    age.classList.toggle("old", isOld);
    const since = toSecond.format(new Date(lastLook));
    let text = waits ? "New data: shown when the pointer rests" : "Updates automatically";
    if (isOld) text = `Out of date: last update ${since}${why && `; ${why}`}`;
    if (age.textContent !== text) age.textContent = text;
  }

  let isFetching = false;
  async function load() {
    if (isFetching || document.hidden) return;
    isFetching = true;
    try {
      const query = new URLSearchParams(location.search);
      query.set("part", "1");
      const answer = await fetch(`${look.dataset.part}?${query}`, {
        headers: { accept: "text/html" },
      });
      if (answer.status !== 200) {
        const reasons = { 403: "sign in again", 503: "Redis does not answer" };
        why = reasons[answer.status] ?? `the service answers ${answer.status}`;
        return;
      }
      const fresh = document.createElement("div");
      fresh.replaceChildren(
        ...new DOMParser().parseFromString(await answer.text(), "text/html").body.childNodes,
      );
      tellTimes(fresh);
      const isBusy = Date.now() - movedAt < BUSY_MS || look.contains(document.activeElement);
      if (isBusy) updateInPlace(look, fresh);
      else look.replaceChildren(...fresh.childNodes);
      waits = isBusy;
      [lastLook, why] = [Date.now(), ""];
    } catch {
      why = "the service does not answer";
    } finally {
      isFetching = false;
      tellAge();
    }
  }

  const events = new EventSource(`${document.body.dataset.root}/live/events`);
  // Spread the requests of all open pages.
  events.addEventListener("look", () => setTimeout(load, SPREAD_MS * Math.random()));
  events.addEventListener("away", () => { why = "Redis does not answer"; tellAge(); });
  events.addEventListener("error", () => { why = "the service does not answer"; tellAge(); });
  events.addEventListener("open", () => { why = ""; });
  document.addEventListener("visibilitychange", load);
  setInterval(tellAge, 1000);
  tellAge();
}

tellTimes(document);
// Times that the reader types are in the time zone of this browser.
for (const each of document.querySelectorAll("input[data-zone]")) {
  each.value ||= Intl.DateTimeFormat().resolvedOptions().timeZone;
}
const look = document.getElementById("look");
if (look) follow(look);
addEventListener("keydown", (event) => {
  if (event.key !== "/" || /^(input|select|textarea)$/i.test(event.target.tagName)) return;
  const field = document.querySelector("[data-hotkey='/']");
  if (field) {
    event.preventDefault();
    field.focus();
  }
});
