/** Schemas as a person writes them: the members of a body as rows of a table, the shape of an answer as a type. */
import type { Document, Shape } from './document.ts';

/** A longer list stands better elsewhere than in the middle of a shape. */
const MAX_ALTERNATIVES = 10;

/** A member of a body: its path, whether it must be there, and what it must be. */
interface Row {
  readonly member: string;
  readonly required: boolean;
  readonly what: string;
  readonly shape: Shape;
}

/** The name of the component that a schema refers to. */
const nameOf = ({ $ref }: Shape): string | undefined => $ref?.split('/').at(-1);

const quoted = (value: unknown): string => (typeof value === 'string' ? `'${value}'` : String(value));

/** Text or `{"base64": "…"}`. */
const isBytes = ({ anyOf = [] }: Shape): boolean => anyOf.some(({ properties }) => properties?.base64 !== undefined);

const isNullable = ({ anyOf = [] }: Shape): boolean => anyOf.some(({ type }) => [type].flat().includes('null'));

export class Shapes {
  readonly #components: Record<string, Shape>;

  constructor({ components }: Document) {
    this.#components = components.schemas;
  }

  /** As TypeScript says it; what refers to a component is named like it. */
  type(shape: Shape, indent = ''): string {
    const { anyOf, enum: values } = shape;
    const name = nameOf(shape);
    if (name !== undefined) return name;
    if (shape.const !== undefined) return quoted(shape.const);
    if (values !== undefined && values.length <= MAX_ALTERNATIVES) return values.map(quoted).join(' | ');
    if (isBytes(shape)) return isNullable(shape) ? 'Bytes | null' : 'Bytes';
    if (anyOf !== undefined) return [...new Set(anyOf.map(one => this.type(one, indent)))].join(' | ');
    const types = [shape.type ?? 'unknown'].flat();
    return types.map(type => this.#plain(type, shape, indent)).join(' | ');
  }

  #plain(type: string, { items = {}, properties, required = [], additionalProperties }: Shape, indent: string): string {
    if (type === 'integer') return 'number';
    if (type === 'array') {
      const item = this.type(items, indent);
      return item.includes(' | ') && !item.startsWith('{') ? `(${item})[]` : `${item}[]`;
    }
    if (type !== 'object') return type;
    if (properties === undefined) {
      return `Record<string, ${typeof additionalProperties === 'object' ? this.type(additionalProperties) : 'unknown'}>`;
    }
    const inner = `${indent}  `;
    const members = Object.entries(properties).map(
      ([name, member]) => `${inner}${name}${required.includes(name) ? '' : '?'}: ${this.type(member, inner)};\n`,
    );
    return `{\n${members.join('')}${indent}}`;
  }

  /** `interface Name { … }` for each component that one of these names, and that such a one names in turn. */
  declarations(shapes: readonly Shape[]): string[] {
    const met = new Set<string>();
    const look = (node: unknown): void => {
      if (typeof node !== 'object' || node === null) return;
      const name = nameOf(node as Shape);
      if (name === undefined) for (const inner of Object.values(node)) look(inner);
      else if (!met.has(name)) {
        met.add(name);
        look(this.#components[name]);
      }
    };
    look(shapes);
    return [...met].map(name => `interface ${name} ${this.type(this.#components[name]!)}`);
  }

  /** Members of inner objects are told as `outer.inner`, those of lists of objects as `outer[].inner`. */
  rows(shape: Shape, prefix = ''): Row[] {
    const { properties = {}, required = [] } = this.#resolve(shape);
    return Object.entries(properties).flatMap(([name, member]) => {
      const path = `${prefix}${name}`;
      const row = { member: path, required: required.includes(name), what: this.what(member), shape: member };
      const isList = member.type === 'array';
      const inner = this.#resolve(isList ? (member.items ?? {}) : member);
      return inner.properties === undefined ? [row] : [row, ...this.rows(inner, `${path}${isList ? '[]' : ''}.`)];
    });
  }

  /** What a member or a parameter must be, in words. */
  what(shape: Shape): string {
    const { description, minimum, maximum, type, properties, propertyNames } = shape;
    if ([type].flat().includes('array')) return this.#list(shape);
    if (description !== undefined) return description;
    if (propertyNames !== undefined) {
      const value = this.what(shape.additionalProperties as Shape);
      return `at most ${shape.maxProperties} members, ${propertyNames.description}; each ${value}`;
    }
    if (properties !== undefined) return [type].flat().join(' | ');
    if (minimum === undefined) return this.type(shape);
    return `${this.type(shape)}, ${minimum.toLocaleString('en')} to ${maximum!.toLocaleString('en')}`;
  }

  #list({ items = {}, minItems = 0, maxItems, type }: Shape): string {
    const kinds = (items.anyOf ?? []).flatMap(one => nameOf(one) ?? []);
    const isOfKinds = kinds.length > 0;
    const each = isOfKinds ? `${kinds.map(name => `\`${name}\``).join(', ')} ([shapes](#shapes))` : items.description;
    const parts = [
      [type].flat().includes('null') ? 'a list or null' : 'a list',
      maxItems === undefined ? '' : `, ${minItems} to ${maxItems.toLocaleString('en')} of them`,
      each === undefined ? '' : `, each ${each}`,
    ];
    return parts.join('');
  }

  #resolve(shape: Shape): Shape {
    const name = nameOf(shape);
    return name === undefined ? shape : this.#components[name]!;
  }
}
