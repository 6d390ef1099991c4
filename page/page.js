/*
 * The stock as a page: what GET items lists, kept up to date by GET
 * notifications; commands by POST commands.  What comes from the service goes
 * into the page as text, never as markup.
 */
"use strict";

const ROWS = 100;                 // of a page of the table
const EVENTS = 50;                // notifications that are shown
const DRAW = 250;                 // ms from one drawing to the next
const FRESH = 2000;               // ms that a change is marked
const LOOK = 5000;                // ms from one look at the state to the next
const WAIT = 10;                  // seconds to wait for a command's outcome

const $ = (id) => document.getElementById(id);

function element(name, text, className) {
  const e = document.createElement(name);
  if (text !== undefined) {
    e.textContent = text;
  }
  if (className) {
    e.className = className;
  }
  return e;
}

// Texts that run from right to left stay apart from what is around them.
function isolated(text) {
  return element("bdi", text);
}

const number = new Intl.NumberFormat("en");


// --- the stock

const stock = new Map();          // sku: qty
const changed = new Map();        // sku: when, in ms
let order = { by: "sku", down: false };
let shown = [];                   // skus that are found, in order
let page = 0;
let stale = true;                 // shown is not what it should be
let drawing = null;               // the timer
let loaded = false;
let telling = null;               // the timer for what a search has found
let effort = 0;                   // ms that finding took, last

function compareSkus(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

function find() {
  const begun = performance.now();
  const text = $("search").value.toLowerCase();
  shown = [];
  for (const sku of stock.keys()) {
    if (text === "" || sku.toLowerCase().includes(text)) {
      shown.push(sku);
    }
  }
  const sign = order.down ? -1 : 1;
  shown.sort(order.by === "sku"
    ? (a, b) => sign * compareSkus(a, b)
    : (a, b) => sign * (stock.get(a) - stock.get(b)) || compareSkus(a, b));
  stale = false;
  effort = performance.now() - begun;
}

// While somebody is at a row's button, no row becomes another item's.
function held() {
  return $("items").contains(document.activeElement);
}

function row(sku, old) {
  const now = performance.now();
  const tr = old || element("tr");
  if (!old) {
    tr.append(element("td"), element("td", "", "number"), element("td"));
    tr.cells[0].append(isolated(""));
    tr.cells[2].append(element("button", "Change"));
    tr.cells[2].firstChild.type = "button";
  }
  if (tr.dataset.sku !== sku) {
    tr.dataset.sku = sku;
    tr.cells[0].firstChild.textContent = sku;
    tr.cells[2].firstChild.setAttribute("aria-label", "Change " + sku);
  }
  // an item of the list before may be gone while its row is held
  const qty = stock.has(sku) ? number.format(stock.get(sku)) : "none";
  if (tr.cells[1].textContent !== qty) {
    tr.cells[1].textContent = qty;
  }
  tr.classList.toggle("new", now - (changed.get(sku) ?? -FRESH) < FRESH);
  return tr;
}

function draw(asked) {
  drawing = null;
  if (stale && (asked || !held())) {
    find();
  }
  const pages = Math.max(1, Math.ceil(shown.length / ROWS));
  page = Math.min(page, pages - 1);

  const body = $("items");
  const skus = shown.slice(page * ROWS, (page + 1) * ROWS);
  skus.forEach((sku, i) => {
    const old = body.rows[i];
    const tr = row(sku, old);
    if (!old) {
      body.append(tr);
    }
  });
  while (body.rows.length > skus.length) {
    body.lastChild.remove();
  }

  const all = number.format(stock.size) + (stock.size === 1 ? " item" : " items");
  const count = !loaded ? "Loading"
    : $("search").value === "" ? all : number.format(shown.length) + " of " + all;
  if ($("count").textContent !== count) {
    $("count").textContent = count;
  }
  $("page").textContent = "Page " + number.format(page + 1) + " of " + number.format(pages);
  // not disabled: that would take the focus away
  for (const [id, no] of [["first", page === 0], ["previous", page === 0],
    ["next", page === pages - 1], ["last", page === pages - 1]]) {
    $(id).setAttribute("aria-disabled", no);
  }

  for (const [sku, when] of changed) {
    if (performance.now() - when >= FRESH) {
      changed.delete(sku);
    }
  }
  if (changed.size > 0) {
    redraw();
  }
}

// At once where a hand asked for it; what comes by itself waits for its turn,
// and leaves most of the time to others however long the list is.
function redraw(now) {
  if (now) {
    clearTimeout(drawing);
    draw(true);
  } else if (drawing === null) {
    drawing = setTimeout(draw, Math.max(DRAW, 4 * effort));
  }
}

function sortBy(by) {
  order = { by, down: order.by === by && !order.down };
  for (const name of ["sku", "qty"]) {
    const th = $("by-" + name).parentNode;
    if (name === by) {
      th.setAttribute("aria-sort", order.down ? "descending" : "ascending");
    } else {
      th.removeAttribute("aria-sort");
    }
  }
  stale = true;
  page = 0;
  redraw(true);
}

function turn(to) {
  const last = Math.ceil(shown.length / ROWS) - 1;
  page = Math.max(0, Math.min(to, last));
  redraw(true);
}

$("by-sku").addEventListener("click", () => sortBy("sku"));
$("by-qty").addEventListener("click", () => sortBy("qty"));
$("first").addEventListener("click", () => turn(0));
$("previous").addEventListener("click", () => turn(page - 1));
$("next").addEventListener("click", () => turn(page + 1));
$("last").addEventListener("click", () => turn(Infinity));

$("find").addEventListener("submit", (event) => event.preventDefault());
$("search").addEventListener("input", () => {
  stale = true;
  page = 0;
  redraw(true);
  clearTimeout(telling);
  telling = setTimeout(() => { $("found").textContent = $("count").textContent; }, DRAW);
});

$("items").addEventListener("focusout", () => redraw());

$("items").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) {
    $("sku").value = button.closest("tr").dataset.sku;
    $("qty").focus();
    $("qty").select();
  }
});


// --- live changes

const PATIENCE = 60000;           // ms to wait for the list
const SLEEP = 30000;              // ms that nobody has to see the page

let source = null;                // the one stream that counts
let loads = 0;                    // the last of them is the one that counts
let trying = null;                // the timer
let again = 1000;                 // ms to the next try; a notification takes it back
let asleep = false;
let sleeping = null;              // the timer

function live(text, good) {
  tell("live", text, good);
}

function tell(id, text, good) {
  const span = $(id).querySelector("span");
  if (span.textContent !== text) {
    span.textContent = text;
  }
  span.className = good === undefined ? "" : good ? "good" : "bad";
}

function later() {
  clearTimeout(trying);
  trying = setTimeout(load, again);
  again = Math.min(2 * again, 15000);
}

// Nothing that was begun counts any more.
function leave() {
  clearTimeout(trying);
  source?.close();
  source = null;
  return ++loads;
}

// The list, and from the position that it stands for on, each notification.
async function load() {
  const mine = leave();
  live("loading");

  let reply, list;
  try {
    reply = await fetch("items", {
      headers: { Accept: "application/json" },
      cache: "no-cache",
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (!reply.ok) {
      throw new Error("status " + reply.status);
    }
    list = await reply.json();
  } catch (error) {
    if (mine === loads) {
      live("the stock cannot be read (" + error.message + "), trying again", false);
      later();
    }
    return;
  }

  if (mine !== loads) {
    return;
  }

  loaded = true;
  stock.clear();
  changed.clear();
  for (const { sku, qty } of list) {
    stock.set(sku, qty);
  }
  stale = true;
  redraw(!held());

  const position = (reply.headers.get("Warehouse-Notifications-Position") ?? "").split(":")[1];
  follow(position === undefined ? "" : "?after=" + (Number(position) - 1));
}

function follow(query) {
  source = new EventSource("notifications" + query);
  source.onopen = () => live("connected", true);
  source.onmessage = (event) => {
    again = 1000;
    notified(event.lastEventId, JSON.parse(event.data));
  };
  source.addEventListener("reset", () => {
    source.close();
    live("some changes are missing, loading the list again", false);
    later();
  });
  source.onerror = () => {
    live("interrupted", false);
    if (source.readyState === EventSource.CLOSED) {
      // refused: too many follow, or the service is away
      later();
    }
  };
}

// A browser has few connections to a server: pages that nobody sees leave theirs.
document.addEventListener("visibilitychange", () => {
  clearTimeout(sleeping);
  if (document.hidden) {
    sleeping = setTimeout(() => {
      asleep = true;
      leave();
      live("asleep");
    }, SLEEP);
  } else if (asleep) {
    asleep = false;
    load();
  }
});

function notified(id, n) {
  stale = stale || !stock.has(n.sku) || order.by === "qty";
  stock.set(n.sku, n.stock);
  changed.set(n.sku, performance.now());
  redraw();

  const li = element("li", undefined, "new");
  const when = new Date();
  const time = element("time", when.toLocaleTimeString("en-GB"));
  time.dateTime = when.toISOString();
  const span = element("span");
  span.append(isolated(n.sku), " " + (n.action === "increase" ? "+" : "\u2212")
    + number.format(n.qty) + ", now " + number.format(n.stock));
  if (n.reference !== undefined) {
    span.append(" (", isolated(n.reference), ")");
  }
  li.append(time, span);
  li.title = "notification " + id;
  arrived.push(li);
  if (arrived.length > EVENTS) {
    arrived.shift();
  }
  showing ??= setTimeout(show, DRAW);
}

let arrived = [];
let showing = null;

function show() {
  showing = null;
  $("none").hidden = true;
  const list = $("events");
  const come = arrived;
  arrived = [];
  for (const li of come) {
    list.prepend(li);
  }
  while (list.children.length > EVENTS) {
    list.lastChild.remove();
  }
  setTimeout(() => come.forEach((li) => li.classList.remove("new")), FRESH);
}


// --- commands

let pending = null;               // the command that is to be sent, with its key

function key() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

function say(className, ...what) {
  const p = element("p", undefined, className);
  p.append(...what);
  $("result").replaceChildren(p);
}

const REASONS = {
  insufficient_stock: "there is too little",
  unknown_sku: "there is no such item",
  stock_limit: "the stock would be larger than it may be",
};

// body: null where it is not the service's.
function outcome(reply, body) {
  if (body === null && (reply.ok || reply.status >= 500)) {
    unknown("status " + reply.status);
    return;
  }
  const position = reply.headers.get("Warehouse-Position");
  const { sku, qty, action } = pending.command;
  const what = [(action === "increase" ? "+" : "\u2212") + number.format(qty) + " ", isolated(sku)];

  if (reply.ok && (body.status === "applied" || body.status === "duplicate")) {
    say("good", "Applied: ", ...what, body.stock === undefined ? ""
      : ", stock is " + number.format(body.stock) + " (version " + number.format(body.version) + ")");

  } else if (reply.ok) {
    say("", "Accepted: ", ...what, ", not processed yet.");
    if (position) {
      const link = element("a", "What became of it");
      link.href = "commands/" + position;
      $("result").append(link);
    }

  } else if (reply.status === 409 && body !== null) {
    say("bad", "Refused: ", ...what, ", " + (REASONS[body.reason] ?? body.reason)
      + (body.stock === undefined ? "" : "; stock is " + number.format(body.stock)));

  } else if (reply.status === 504) {
    unknown(body.detail ?? "status 504");
    return;

  } else {
    say("bad", "Not accepted: " + (body?.detail ?? "status " + reply.status));
    if (reply.status >= 500) {
      retry();
      return;
    }
  }

  pending = null;
}

function unknown(why) {
  say("bad", "Nobody knows whether it was accepted (" + why + "). "
    + "Sent again, it has its effect once. ");
  retry();
}

// With the same key: whatever became of it, it has its effect once.
function retry() {
  const button = element("button", "Send again");
  button.type = "button";
  button.addEventListener("click", () => {
    $("result").focus();
    send();
  });
  $("result").append(button);
}

let sending = false;

async function send() {
  if (sending) {
    return;
  }
  sending = true;
  say("", "Sending");
  try {
    const reply = await fetch("commands", {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        "Idempotency-Key": '"' + pending.key + '"',
        Prefer: "wait=" + WAIT,
      },
      body: JSON.stringify(pending.command),
      signal: AbortSignal.timeout(1000 * WAIT + 20000),
    });
    const text = await reply.text();
    let body = null;
    try {
      body = JSON.parse(text);
    } catch {
      // somebody else's, in between
    }
    outcome(reply, body);
  } catch (error) {
    unknown("no answer: " + error.message);
  }
  sending = false;
}

$("send").addEventListener("submit", (event) => {
  event.preventDefault();
  if (sending) {
    return;
  }
  const command = {
    action: $("send").elements.action.value,
    sku: $("sku").value,
    qty: Number($("qty").value),
  };
  // one that nobody knows of is the same one, sent again
  if (pending === null || JSON.stringify(pending.command) !== JSON.stringify(command)) {
    pending = { key: key(), command };
  }
  send();
});


// --- the state of the service

async function health(name) {
  try {
    const reply = await fetch("health/" + name, {
      cache: "no-store",
      signal: AbortSignal.timeout(LOOK),
    });
    return await reply.json();
  } catch {
    return null;
  }
}

async function look() {
  const [reads, writes] = await Promise.all([health("reads"), health("writes")]);
  for (const [id, state] of [["reads", reads], ["writes", writes]]) {
    tell(id, state?.status ?? "no answer", state?.status === "ok");
  }
  const daemon = (reads ?? writes)?.daemon?.status;
  tell("daemon", (daemon ?? "unknown")
    + (reads?.lag > 0 ? ", " + number.format(reads.lag) + " commands behind" : ""),
    daemon === undefined ? undefined : daemon === "ok");
  setTimeout(look, LOOK);
}

load();
look();
