// Opens a page in a real browser and says what is seen there, as JSON: node look.mjs '{"page": …, "views": […]}'.
// The browser is an installed Chrome, Edge or Chromium that $BROWSER names, or else the one that a locked package carries.
// No request leaves the page: whatever it asks for is counted and refused.
import { createReadStream, createWriteStream, existsSync, readFileSync, renameSync, chmodSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress } from "node:zlib";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const carried = new URL("./node_modules/@sparticuz/chromium/bin/chromium.br", import.meta.url);
const unpacked = new URL("./node_modules/chromium", import.meta.url);

async function executable() {
  if (process.env.BROWSER) return process.env.BROWSER;
  if (!existsSync(unpacked)) {
    // Others may be about to do the same.
    const mine = new URL(`./node_modules/chromium.${process.pid}`, import.meta.url);
    await pipeline(createReadStream(carried), createBrotliDecompress(), createWriteStream(mine));
    chmodSync(mine, 0o755);
    renameSync(mine, unpacked);
  }
  return fileURLToPath(unpacked);
}

// What can be seen, and what is wrong with how it can be seen.
function seen() {
  const shown = (element) => element.checkVisibility?.() ?? true;
  const numbers = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = (colour) => {
    const [r, g, b] = numbers(colour).map((one) => one / 255).map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (numbers(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || !shown(element)) continue;
    const [one, other] = [luminance(getComputedStyle(element).color), luminance(background(element))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < 4.5) faint.push(`${node.textContent.trim().slice(0, 40)}: ${contrast.toFixed(2)}`);
  }
  return {
    text: document.body.innerText,
    title: document.title,
    width: document.documentElement.clientWidth,
    scrollWidth: document.documentElement.scrollWidth,
    wider: [...document.querySelectorAll("body *")].filter((one) => shown(one) && one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
      .map((one) => one.outerHTML.slice(0, 80)),
    background: getComputedStyle(document.body).backgroundColor,
    headings: [...document.querySelectorAll("h1, h2, h3")].map((one) => Number(one.tagName[1])),
    elements: [...new Set([...document.querySelectorAll("*")].map((one) => one.tagName.toLowerCase()))],
    headless: [...document.querySelectorAll("table")].filter((one) => !one.caption || !one.querySelector("thead th[scope=col]") ||
      [...one.querySelectorAll("tbody tr")].some((row) => !row.querySelector("th[scope=row]"))).length,
    faint,
  };
}

const wanted = JSON.parse(process.argv[2]);
const browser = await chromium.launch({
  executablePath: await executable(),
  // Without a sandbox of its own: as root, and in containers, there is none to be had. It opens our own page alone.
  args: ["--no-sandbox", "--disable-gpu", "--no-zygote", "--font-render-hinting=none"],
});
try {
  const answers = [];
  for (const view of wanted.views) {
    const context = await browser.newContext({
      viewport: { width: view.width, height: view.height ?? 800 },
      colorScheme: view.scheme ?? "light",
      javaScriptEnabled: true,
    });
    const page = await context.newPage();
    const requests = [], dialogs = [], errors = [];
    await page.route("**", (route) => {
      if (route.request().url().startsWith("file:") && route.request().isNavigationRequest()) return route.continue();
      requests.push(route.request().url());
      return route.abort();
    });
    page.on("dialog", (dialog) => { dialogs.push(dialog.message()); return dialog.dismiss(); });
    page.on("pageerror", (error) => errors.push(String(error)));
    if (view.media) await page.emulateMedia({ media: view.media });
    await page.goto(`file://${wanted.page}`);
    answers.push({ ...(await page.evaluate(seen)), requests, dialogs, errors });
    if (view.picture) await page.screenshot({ path: view.picture, fullPage: view.whole ?? true });
    await context.close();
  }
  console.log(JSON.stringify(answers));
} finally {
  await browser.close();
}
