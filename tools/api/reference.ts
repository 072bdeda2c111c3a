/** The API reference of a package, one page of Markdown, from the docstrings of what it exports. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Application, Converter, DeclarationReflection, type PageEvent, ReflectionKind, TSConfigReader } from 'typedoc';
import { MarkdownTheme, MarkdownThemeContext } from 'typedoc-plugin-markdown';

export const REFERENCES = {
  'docs/api/producer.md': { folder: 'producer-sdk', name: '@escrowmq/producer' },
  'docs/api/consumer.md': { folder: 'consumer-sdk', name: '@escrowmq/consumer' },
} as const;

const ROOT = resolve(import.meta.dirname, '../..');

/** Signatures carry the types already, so they are not said again below. */
class PlainContext extends MarkdownThemeContext {
  constructor(...given: ConstructorParameters<typeof MarkdownThemeContext>) {
    super(...given);
    this.partials = {
      ...this.partials,
      signatureReturns: () => '',
      inheritance: () => '',
      hierarchy: ({ types, isTarget }) =>
        isTarget ? '' : `Extends ${types.map(type => this.partials.someType(type)).join(', ')}.`,
    };
  }
}

class PlainTheme extends MarkdownTheme {
  override getRenderContext(page: PageEvent): PlainContext {
    return new PlainContext(this, page as never, this.application.options);
  }
}

/** Whether it is said elsewhere, or is the constructor of an error that users catch and do not make: those say nothing. */
const isRepetition = (member: DeclarationReflection): boolean => {
  if (member.inheritedFrom !== undefined) return true;
  if (member.hasComment() || member.signatures?.some(signature => signature.hasComment())) return false;
  const isConstructor = member.kindOf(ReflectionKind.Constructor);
  const { parent } = member;
  const isOfError = parent instanceof DeclarationReflection && parent.extendedTypes !== undefined;
  return member.overwrites !== undefined || (isConstructor && isOfError);
};

/** A line for each group, with a link to everything in it. */
const contents = (body: string): string => {
  const groups: { title: string; links: string[] }[] = [];
  for (const [, anchor, level, title] of body.matchAll(/^(?:<a id="([^"]+)"><\/a>\n\n)?(##|###) (.+)$/gm)) {
    if (level === '##') groups.push({ title: title!, links: [] });
    else groups.at(-1)!.links.push(`[${title}](#${anchor})`);
  }
  return groups.map(({ title, links }) => `**${title}**: ${links.join(' · ')}`).join('\n\n');
};

/** Without what a signature has said already, and without anchors that nothing leads to. */
const pruned = (body: string): string => {
  const targets = new Set([...body.matchAll(/\]\(#([^)]+)\)/g)].map(match => match[1]));
  return body
    .replaceAll(/<a id="([^"]+)"><\/a> /g, (anchor, id) => (targets.has(id) ? anchor : ''))
    .replaceAll(/#### Type Declaration\n\n\| Name \| Type \|\n(?:\|.*\|\n)+\n/g, '');
};

/** Rejects where something exported is not documented, refers to what is not exported, or does not compile. */
export const reference = async (page: keyof typeof REFERENCES): Promise<string> => {
  const { folder, name } = REFERENCES[page];
  const out = mkdtempSync(join(tmpdir(), 'escrowmq-api-'));
  const app = await Application.bootstrapWithPlugins(
    {
      name,
      entryPoints: [join(ROOT, folder, 'index.ts')],
      tsconfig: join(ROOT, folder, 'tsconfig.json'),
      plugin: ['typedoc-plugin-markdown'],
      theme: 'plain',
      out,
      outputFileStrategy: 'modules',
      readme: 'none',
      hideBreadcrumbs: true,
      hidePageHeader: true,
      hidePageTitle: true,
      disableSources: true,
      excludeExternals: true,
      excludePrivate: true,
      excludeInternal: true,
      useCodeBlocks: true,
      useHTMLAnchors: true,
      expandParameters: true,
      expandObjects: true,
      parametersFormat: 'none',
      interfacePropertiesFormat: 'table',
      classPropertiesFormat: 'table',
      typeAliasPropertiesFormat: 'table',
      typeDeclarationFormat: 'table',
      tableColumnSettings: { hideDefaults: true, hideInherited: true, hideModifiers: true, hideOverrides: true },
      sort: ['alphabetical'],
      groupOrder: ['Functions', 'Classes', 'Interfaces', 'Type Aliases', 'Variables'],
      logLevel: 'Warn',
    } as never,
    [new TSConfigReader()],
  );
  try {
    app.renderer.defineTheme('plain', PlainTheme);
    app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
      for (const member of Object.values(project.reflections)) {
        // What is taken apart at once has no name in the source.
        if (member.kindOf(ReflectionKind.Parameter) && member.name.startsWith('__')) member.name = 'options';
        if (!(member instanceof DeclarationReflection)) continue;
        if (isRepetition(member)) project.removeReflection(member);
        delete member.implementedTypes;
      }
    });
    const project = await app.convert();
    if (project === undefined) throw new Error(`${folder} does not compile`);
    app.validate(project);
    await app.generateOutputs(project);
    if (app.logger.hasErrors() || app.logger.hasWarnings()) throw new Error(`The docstrings of ${folder} have faults`);
    const body = pruned(readFileSync(join(out, 'README.md'), 'utf8'));
    return `# ${name}: API reference

What the package exports, from its docstrings (\`npm run api\` writes this page). How it is used: [README](../../${folder}/README.md).

${contents(body)}

${body}`;
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
};
