// Shows what the WebSocket tells and writes over REST. The keys are those of /api/state.
"use strict";

const SILENT_MS = 50_000; // the server speaks every 20 s at least
const RETRY_MS = [1000, 2000, 5000, 10_000];

const $ = (selector, root = document) => root.querySelector(selector);
let state = { loadpoints: [], vehicles: {} };
let painting = false;

// --- connection -----------------------------------------------------------------------------

let attempts = 0;
let watchdog;

function connect() {
  const url = new URL("ws", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url);
  const alive = () => {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => socket.close(), SILENT_MS);
  };
  alive();
  socket.onmessage = (event) => {
    alive();
    attempts = 0;
    connection("live", "live");
    take(JSON.parse(event.data));
  };
  socket.onclose = () => {
    clearTimeout(watchdog);
    connection("lost", "no connection");
    setTimeout(connect, RETRY_MS[Math.min(attempts++, RETRY_MS.length - 1)]);
  };
}

function connection(name, text) {
  const badge = $("#connection");
  if (badge.dataset.state === name) return;
  badge.dataset.state = name;
  $(".text", badge).textContent = text;
}

function take(frame) {
  if (frame.startupCompleted) state = { loadpoints: [], vehicles: {} };
  for (const [key, value] of Object.entries(frame)) {
    const [scope, index, name] = key.split(".");
    if (scope === "loadpoints") {
      (state.loadpoints[index] ??= {})[name] = value;
    } else {
      state[key] = value;
    }
  }
  if (!painting) {
    painting = true;
    requestAnimationFrame(() => {
      painting = false;
      paint();
    });
  }
}

// --- painting -------------------------------------------------------------------------------

function watts(power) {
  if (power == null) return "–";
  const size = Math.abs(power);
  return size < 1000 ? `${Math.round(size)} W` : `${(size / 1000).toFixed(size < 10_000 ? 2 : 1)} kW`;
}

function paint() {
  $("main").hidden = false;
  const title = state.siteTitle || "chargebus";
  $("#title").textContent = title;
  document.title = title;
  $("#version").textContent = state.version ?? "";
  $("#standby").hidden = !state.standby;
  $("#standby").textContent = state.standby ? `Stand-by, nothing is controlled from here: ${state.standby}` : "";
  paintFlow();
  state.loadpoints.forEach((loadpoint, index) => loadpoint && paintLoadpoint(loadpoint, index));
  paintVehicles();
}

function paintFlow() {
  const charge = state.loadpoints.reduce((sum, loadpoint) => sum + (loadpoint?.chargePower ?? 0), 0);
  // With `api: {dialect: "0.130"}` they are no objects.
  const grid = state.grid?.power ?? state.gridPower;
  const battery = Array.isArray(state.battery)
    ? state.battery.length && { power: state.batteryPower, soc: state.batterySoc }
    : state.battery;
  $("#sun").textContent = watts(state.pvPower);
  $("#grid").textContent = watts(grid);
  $("#grid-name").textContent = !grid ? "Grid" : grid > 0 ? "From the grid" : "To the grid";
  $(".node.grid").classList.toggle("silent", state.grid?.fresh === false);
  $("#home").textContent = watts(state.homePower);
  $("#cars").textContent = watts(charge);
  $(".node.battery").style.display = $("#wire-battery").style.display = battery ? "" : "none";
  if (battery) {
    const soc = battery.soc ?? 0;
    $("#battery").textContent = watts(battery.power);
    $("#battery-name").textContent = battery.soc == null ? "Battery" : `Battery ${Math.round(soc)} %`;
    $("#battery-level").setAttribute("width", (16 * Math.min(Math.max(soc, 0), 100)) / 100);
  }
  wire("sun", state.pvPower);
  wire("grid", grid);
  wire("battery", battery?.power);
  wire("home", state.homePower);
  wire("cars", charge);
  $("#flow-text").textContent =
    `Sun ${watts(state.pvPower)}, ${$("#grid-name").textContent} ${watts(grid)}, ` +
    `${battery ? `${$("#battery-name").textContent} ${watts(battery.power)}, ` : ""}` +
    `Home ${watts(state.homePower)}, Cars ${watts(charge)}`;
}

// Positive power runs along the path, negative power against it.
function wire(name, power) {
  const path = $(`#wire-${name}`);
  path.classList.toggle("flowing", Math.abs(power ?? 0) >= 20);
  path.classList.toggle("back", (power ?? 0) < 0);
}

function card(index) {
  const list = $("#loadpoints");
  while (list.children.length <= index) {
    const number = list.children.length + 1;
    const article = $("#loadpoint").content.cloneNode(true).firstElementChild;
    const heading = $("h2", article);
    heading.id = `loadpoint-${number}`;
    article.setAttribute("aria-labelledby", heading.id);
    $(".modes", article).setAttribute("aria-label", "Mode");
    for (const button of article.querySelectorAll("button")) {
      button.addEventListener("click", () => setMode(article, number, button));
    }
    list.append(article);
  }
  return list.children[index];
}

function paintLoadpoint(loadpoint, index) {
  const article = card(index);
  const heating = loadpoint.chargerFeatureHeating;
  const put = (selector, text) => ($(selector, article).textContent = text);
  article.classList.toggle("charging", loadpoint.charging);
  put("h2", loadpoint.title || loadpoint.name);
  put(".power", watts(loadpoint.chargePower));
  for (const button of article.querySelectorAll("button")) {
    button.setAttribute("aria-pressed", button.dataset.mode === loadpoint.mode);
  }
  const plugged = loadpoint.connected ? "plugged in" : "not plugged in";
  put(".vehicle .name", loadpoint.vehicleTitle ? `${loadpoint.vehicleTitle}, ${plugged}` : plugged);
  const soc = loadpoint.vehicleSoc;
  put(".soc", soc > 0 ? `${Math.round(soc)} ${heating ? "°C" : "%"}` : "");
  const limit = loadpoint.effectiveLimitSoc ?? 100;
  const bar = $(".bar", article);
  bar.hidden = !(soc > 0);
  bar.setAttribute("aria-valuenow", Math.round(soc || 0));
  $(".fill", bar).style.width = `${Math.min(soc || 0, 100)}%`;
  $(".limit", bar).style.left = `calc(${Math.min(limit, 100)}% - 3px)`;
  $(".limit", bar).hidden = !(limit > 0 && limit < 100);
  put(".current", loadpoint.offeredCurrent > 0 ? `${+loadpoint.offeredCurrent.toFixed(1)} A` : "–");
  put(".phases", loadpoint.phasesActive || "–");
  put(".energy", `${((loadpoint.sessionEnergy ?? 0) / 1000).toFixed(1)} kWh`);
  const energy = loadpoint.limitEnergy > 0 ? `${loadpoint.limitEnergy} kWh` : "none";
  put(".limit-text", limit < 100 ? `${limit} ${heating ? "°C" : "%"}` : energy);
  paintReason(loadpoint, $(".reason", article));
}

function paintReason(loadpoint, line) {
  const { code = "", text = "", surplus } = loadpoint.decision ?? {};
  const remaining = loadpoint.pvRemaining || loadpoint.phaseRemaining;
  const rest = remaining > 0 ? ` ${remaining} s left.` : "";
  const seen = surplus == null || code === "disconnected" ? "" : surplus < 0 ? ` Missing: ${watts(surplus)}.` : ` Surplus: ${watts(surplus)}.`;
  line.textContent = text + rest + seen;
  line.classList.toggle("waiting", code.endsWith("silent"));
}

function paintVehicles() {
  const entries = Object.entries(state.vehicles ?? {});
  $("#vehicles").hidden = entries.length === 0;
  const list = $("#vehicles ul");
  while (list.children.length > entries.length) list.lastElementChild.remove();
  entries.forEach(([name, vehicle], index) => {
    const item = list.children[index] ?? list.appendChild($("#vehicle").content.cloneNode(true).firstElementChild);
    $(".name", item).textContent = vehicle.title || name;
    $(".soc", item).textContent = vehicle.soc == null ? "" : `${Math.round(vehicle.soc)} %`;
    const here = vehicle.loadpoint && state.loadpoints[vehicle.loadpoint - 1]?.title;
    const silent = vehicle.features?.includes("Offline") || [undefined, "live", vehicle.state].includes(vehicle.trust);
    const note = [
      vehicle.range != null && `${Math.round(vehicle.range)} km`,
      here ? `at ${here}` : vehicle.geofence,
      vehicle.state,
      vehicle.limitSoc > 0 && `limit ${vehicle.limitSoc} %`,
      !silent && `data: ${vehicle.trust}`,
    ];
    $(".note", item).textContent = note.filter(Boolean).join(" · ");
  });
}

// --- writing --------------------------------------------------------------------------------

async function setMode(article, number, button) {
  button.setAttribute("aria-busy", "true");
  const line = $(".refusal", article);
  try {
    const answer = await fetch(`api/loadpoints/${number}/mode/${button.dataset.mode}`, { method: "POST" });
    const refusal = answer.ok ? "" : (await answer.json().catch(() => ({}))).error || `refused (${answer.status})`;
    line.textContent = refusal;
  } catch {
    line.textContent = "The service does not answer.";
  }
  line.hidden = !line.textContent;
  button.removeAttribute("aria-busy");
}

connect();
