// What pages do by themselves: times in the reader's zone, and what is new without moving what is
// read. Without this all of them work and stand still.
"use strict";

const OLD_MS = 12_000;
// So long after the pointer has moved, or a key was pressed, nothing moves.
const BUSY_MS = 20_000;

const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const clock = (isPrecise) =>
  new Intl.DateTimeFormat(undefined, {
    hour: "2-digit",
    minute: "2-digit",
    ...(isPrecise ? { second: "2-digit" } : {}),
  });
const [toMinute, toSecond] = [clock(false), clock(true)];

/** Say the times in *of* as the reader's own clock does. */
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

/** Return the elements with a key below *of*, by key. */
function keyed(of) {
  return new Map([...of.querySelectorAll("[data-key]")].map((each) => [each.dataset.key, each]));
}

/** Show in *look* what *fresh* has, with nothing in another place than before. */
function updateInPlace(look, fresh) {
  const known = keyed(fresh);
  for (const [key, each] of keyed(look)) {
    const other = known.get(key);
    each.classList.toggle("gone", !other);
    if (other && each.children.length === other.children.length) {
      for (let at = 0; at < each.children.length; at++) {
        const [old, now] = [each.children[at], other.children[at]];
        if (!old.querySelector("[data-key]") && !old.contains(document.activeElement)) {
          if (old.innerHTML !== now.innerHTML) old.replaceChildren(...now.childNodes);
        }
      }
    }
  }
  const [tiles, newTiles] = [look.querySelectorAll(".count"), fresh.querySelectorAll(".count")];
  for (let at = 0; at < Math.min(tiles.length, newTiles.length); at++) {
    tiles[at].textContent = newTiles[at].textContent;
  }
}

/** Keep *look* up to date. */
function follow(look) {
  const age = document.getElementById("age");
  let [lastLook, movedAt, why, waits] = [Date.now(), 0, "", false];
  for (const kind of ["pointermove", "pointerdown", "keydown", "wheel", "touchmove"]) {
    addEventListener(kind, () => { movedAt = Date.now(); }, { passive: true });
  }

  function tellAge() {
    const isOld = Date.now() - lastLook > OLD_MS || why !== "";
    age.classList.toggle("old", isOld);
    const since = toSecond.format(new Date(lastLook));
    const text = isOld
      ? `Out of date: as of ${since}${why && `; ${why}`}`
      : waits ? "New: shown when the pointer rests" : "Updates by itself";
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
        why = answer.status === 503 ? "the store does not answer" : "sign in again";
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
  events.addEventListener("look", load);
  events.addEventListener("away", () => { why = "the store does not answer"; tellAge(); });
  events.addEventListener("error", () => { why = "the service does not answer"; tellAge(); });
  events.addEventListener("open", () => { why = ""; });
  document.addEventListener("visibilitychange", load);
  setInterval(tellAge, 1000);
  tellAge();
}

tellTimes(document);
// What is asked for is meant as the clock here shows it.
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
