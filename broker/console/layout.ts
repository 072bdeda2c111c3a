/** What surrounds every page: the head, the way to the other pages, who is looking, and how the broker is. */
import type { StatusBody } from '../protocol/wire.ts';
import { VERSION } from '../version.ts';
import { assetPath } from './asset-files.ts';
import { figure, stamp } from './clock-words.ts';
import { type Fragment, type Html, html } from './html.ts';
import { icon } from './icons.ts';
import type { Visitor } from './sessions.ts';

/** What every page knows of the broker. Null: it did not say. */
export type Pulse = Pick<StatusBody, 'now' | 'status' | 'publisher' | 'transactions' | 'messages'> | null;

export interface PageFrame {
  readonly visitor: Visitor | null;
  readonly pulse: Pulse;
  /** Path of the page, to mark it in the navigation. */
  readonly here: string;
}

const HTMX_CONFIG = JSON.stringify({
  allowEval: false,
  allowScriptTags: false,
  includeIndicatorStyles: false,
  selfRequestsOnly: true,
  historyCacheSize: 0,
});

const HEALTH = {
  ok: ['good', 'All well'],
  degraded: ['warn', 'Degraded'],
  unavailable: ['bad', 'Not accepting'],
} as const;

interface Place {
  readonly path: string;
  readonly name: string;
  readonly waiting?: number;
}

const placesOf = ({ pulse, visitor }: PageFrame): Place[] => [
  { path: '/console', name: 'Overview' },
  { path: '/console/transactions', name: 'Transactions' },
  { path: '/console/unresolved', name: 'Unresolved', waiting: pulse?.transactions.unresolved ?? 0 },
  { path: '/console/parked', name: 'Parked', waiting: pulse?.messages.parked ?? 0 },
  { path: '/console/producer-groups', name: 'Producer groups' },
  { path: '/console/topics', name: 'Topics' },
  { path: '/console/history', name: 'History' },
  ...(visitor?.role === 'operator' ? [{ path: '/console/keys', name: 'Keys' }] : []),
  ...(pulse?.publisher === 'memory' ? [{ path: '/console/records', name: 'Records' }] : []),
];

const badge = (waiting: number): Html | false =>
  waiting > 0 && html`<span class="badge">${figure(waiting)}<span class="unseen"> waiting</span></span>`;

const countId = (path: string): string => `count-${path.slice(path.lastIndexOf('/') + 1)}`;

const placeLink = ({ path, name, waiting }: Place, here: string): Html => {
  const isHere = path === here || (path !== '/console' && here.startsWith(`${path}/`));
  const counted = waiting !== undefined && html`<span id="${countId(path)}">${badge(waiting)}</span>`;
  return isHere
    ? html`<li><a href="${path}" aria-current="page">${name}${counted}</a></li>`
    : html`<li><a href="${path}">${name}${counted}</a></li>`;
};

const visitorCorner = ({ visitor }: PageFrame): Html | null => {
  if (visitor === null) return null;
  if (visitor.key === null)
    return html`<span class="who" title="This broker runs without keys: everybody on its machine may do everything.">no keys</span>`;
  return html`<form method="post" action="/console/logout" class="who">
<input type="hidden" name="formToken" value="${visitor.formToken}">
<span>${visitor.role} <span class="quiet">${visitor.name}</span></span>
<button class="plain" data-testid="logout">Log out</button>
</form>`;
};

const needsPerson = ({ transactions, messages }: NonNullable<Pulse>): boolean =>
  transactions.unresolved + transactions.contradicted + messages.parked > 0;

const health = (pulse: Pulse): Html | null => {
  if (pulse === null) return null;
  // A broker that is well does not mean that there is nothing to do.
  const isWaiting = pulse.status === 'ok' && needsPerson(pulse);
  const [tone, words] = isWaiting ? (['warn', 'Needs a person'] as const) : HEALTH[pulse.status];
  const place = isWaiting ? 'attention-h' : 'health';
  return html`<a id="health-link" class="pill ${tone}" href="/console#${place}" data-testid="health">${icon(tone)}${words}</a>`;
};

const search = (): Html => html`<form role="search" action="/console/search" class="search">
<label class="unseen" for="search">Find a transaction by its id or by the key of a message</label>
<input id="search" name="q" type="search" maxlength="512" placeholder="Transaction id or message key" autocomplete="off" spellcheck="false" enterkeyhint="search">
<kbd aria-hidden="true">/</kbd>
</form>`;

const themeSwitch = (): Html => html`<button type="button" class="plain theme" data-theme-switch hidden>
<span class="unseen">Colours: </span><span data-theme-name>system</span></button>`;

const frameTop = (frame: PageFrame): Html => html`<header class="top">
<a class="brand" href="/console">${icon('mark')}<span>escrowmq</span></a>
${frame.visitor && search()}
<div class="corner"><span id="pulse">${health(frame.pulse)}</span>${themeSwitch()}${visitorCorner(frame)}</div>
</header>`;

const navigation = (frame: PageFrame): Html | null =>
  frame.visitor &&
  html`<nav class="places" aria-label="Pages"><ul>${placesOf(frame).map(place => placeLink(place, frame.here))}</ul></nav>`;

/** What surrounds a page that stays open, as it now is: put in its places by htmx. */
export const surroundingsNow = (
  frame: PageFrame,
): Html => html`<span id="pulse" hx-swap-oob="true">${health(frame.pulse)}</span>
${placesOf(frame).map(({ path, waiting }) => waiting !== undefined && html`<span id="${countId(path)}" hx-swap-oob="true">${badge(waiting)}</span>`)}`;

/** Shown by the script where a page that goes on by itself gets no answer. */
const away = (): Html =>
  html`<p class="notice warn" role="status" data-away hidden>${icon('warn')}<span>The broker does not answer. What is shown is what it said before; this page goes on trying.</span></p>`;

/** A whole page. `main` begins with its heading. */
export const page = (title: string, frame: PageFrame, main: Fragment): Html => html`<!doctype html>
<html lang="en" data-theme="system">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="htmx-config" content="${HTMX_CONFIG}">
<title>${title} · escrowmq</title>
<link rel="icon" type="image/svg+xml" href="${assetPath('mark.svg')}">
<link rel="stylesheet" href="${assetPath('console.css')}">
<script src="${assetPath('console.js')}"></script>
<script src="${assetPath('htmx.min.js')}" defer></script>
<script src="${assetPath('sse.min.js')}" defer></script>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
${frameTop(frame)}
<div class="frame">
${navigation(frame)}
<main id="main" tabindex="-1">
${away()}
${main}
</main>
</div>
<footer class="bottom">escrowmq ${VERSION}${frame.pulse && html` · as of <time datetime="${frame.pulse.now}">${stamp(frame.pulse.now)}</time> by the broker’s clock`}</footer>
</body>
</html>
`;

/** A line above the content: something was done, or was refused. `role` as screen readers should take it. */
export const notice = (tone: 'good' | 'bad' | 'warn', words: Fragment): Html =>
  html`<p class="notice ${tone}" role="${tone === 'good' ? 'status' : 'alert'}" data-testid="notice">${icon(tone)}<span>${words}</span></p>`;

/** Where a list would be that has nothing in it. `good`: and that is as it should be. */
export const emptyState = (heading: string, words: Fragment, tone: 'good' | 'none' = 'none'): Html =>
  html`<div class="empty ${tone}" data-testid="empty">${icon(tone)}<div><h2>${heading}</h2><p>${words}</p></div></div>`;
