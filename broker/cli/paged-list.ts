/** Lists of the broker, newest first: one page, all of them, or what comes. */
import { askBroker } from './broker-client.ts';
import { brokerAddress } from './command-line.ts';
import { type Flags, FOLLOW, UsageError } from './flags.ts';
import { follow, Seen } from './following.ts';
import type { Input } from './input.ts';
import type { Terminal } from './terminal.ts';
import { type Column, jsonLine, Table } from './terminal-text.ts';

/** Of every list. */
export const PAGE_FLAGS = {
  limit: { value: 'COUNT', help: 'so many at most, 1 to 500 (default 50)' },
  all: { help: 'all of them, page by page' },
  follow: FOLLOW,
} as const satisfies Flags;

interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}

export interface PagedList<Item> {
  /** `/v1/transactions` */
  readonly path: string;
  /** Filters, as query parameters. */
  readonly query: Readonly<Record<string, string>>;
  readonly idOf: (item: Item) => string;
  readonly columns: readonly Column<Item>[];
  /** Said where there is nothing to show. */
  readonly nothing: string;
}

const DEFAULT_LIMIT = 50;
const LARGEST_PAGE = 500;
/** Pages looked at in one look of `--follow`; if all of it is new, what lies behind is passed over. */
const PAGES_PER_LOOK = 20;

/** Shows the list as `--limit`, `--all`, `--follow` and `--json` want it. */
export const showList = async <Item>(list: PagedList<Item>, input: Input, terminal: Terminal): Promise<void> => {
  if (input.isSet('all') && input.isSet('limit')) throw new UsageError('--all knows no --limit.');
  if (input.isSet('all') && input.isSet('follow')) throw new UsageError('Give --all or --follow, not both.');
  const broker = brokerAddress(input, terminal);
  const limit = input.integer('limit', 1, LARGEST_PAGE) ?? DEFAULT_LIMIT;
  const isJson = input.isSet('json');
  const table = new Table(list.columns, terminal);
  const pageOf = async (size: number, cursor: string | null): Promise<Page<Item>> => {
    const query = new URLSearchParams({ ...list.query, limit: String(size), ...(cursor === null ? {} : { cursor }) });
    return askBroker<Page<Item>>(
      broker,
      'GET',
      `${list.path}?${query}`,
      { items: 'list' },
      undefined,
      terminal.interrupted,
    );
  };
  const show = (items: readonly Item[]): void | Promise<void> =>
    isJson ? terminal.write(items.map(jsonLine).join('')) : table.write(items);

  if (input.isSet('follow')) return followList({ list, pageOf, show, limit, terminal });
  if (input.isSet('all')) {
    let found = 0;
    let cursor: string | null = null;
    do {
      const page: Page<Item> = await pageOf(LARGEST_PAGE, cursor);
      found += page.items.length;
      if (page.items.length > 0) await show(page.items);
      cursor = page.nextCursor;
    } while (cursor !== null);
    if (found === 0) terminal.remark(list.nothing);
    return;
  }
  const page = await pageOf(limit, null);
  if (isJson) return void (await terminal.write(jsonLine(page)));
  if (page.items.length > 0) await show(page.items);
  if (page.nextCursor !== null) terminal.remark('There may be more: --all shows all of them.');
  else if (page.items.length === 0) terminal.remark(list.nothing);
};

interface Following<Item> {
  readonly list: PagedList<Item>;
  readonly pageOf: (size: number, cursor: string | null) => Promise<Page<Item>>;
  readonly show: (items: readonly Item[]) => void | Promise<void>;
  readonly limit: number;
  readonly terminal: Terminal;
}

/** First the newest, then what was not among the newest before; always the oldest of them first. */
const followList = async <Item>({ list, pageOf, show, limit, terminal }: Following<Item>): Promise<void> => {
  const seen = new Seen();
  let isFirst = true;
  await follow(terminal, async () => {
    const news: Item[] = [];
    let cursor: string | null = null;
    for (let pages = 0; pages < PAGES_PER_LOOK; pages++) {
      const page: Page<Item> = await pageOf(LARGEST_PAGE, cursor);
      const unseen = page.items.filter(item => !seen.has(list.idOf(item)));
      news.push(...unseen);
      cursor = page.nextCursor;
      // What is found at first is known from then on, so that it is not taken for new when others leave the list.
      if (cursor === null || (!isFirst && unseen.length < page.items.length)) break;
    }
    for (const item of news.toReversed()) seen.add(list.idOf(item));
    const shown = isFirst ? news.slice(0, limit) : news;
    isFirst = false;
    if (shown.length > 0) await show(shown.toReversed());
    return false;
  });
};
