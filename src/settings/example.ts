/** The example settings file: every option with its meaning, default, variable, and whether it can be reloaded. */
import { wrapText } from '../lib/wrap-text.ts';
import { formatYaml } from '../lib/yaml.ts';
import type { Option } from './options.ts';
import { options } from './settings.ts';

const head = `# Every option of \`tallystick serve\`, with its default. What has no default is shown as a comment.
# Flags override the environment, which overrides this file. \`tallystick config check FILE\` checks one.
# After a change, SIGHUP puts in force what is marked with "reload"; the rest takes a restart and is said in the log.
`;

/** The text of config/tallystick.yaml. */
export function exampleSettings(): string {
  const lines: string[] = [head.trimEnd()];
  let open: readonly string[] = [];
  for (const option of options) {
    const section = option.path.split('.').slice(0, -1);
    lines.push('');
    const shared = section.findIndex((name, depth) => open[depth] !== name);
    if (shared >= 0) {
      const hidden = isHidden(section);
      for (const [depth, name] of section.entries()) {
        if (depth >= shared)
          lines.push(`${hidden && depth === section.length - 1 ? '# ' : ''}${'  '.repeat(depth)}${name}:`);
      }
    }
    open = section;
    lines.push(...optionLines(option, section.length, isHidden(section)));
  }
  return `${lines.join('\n')}\n`;
}

// A section whose options have no defaults is off unless it is there: it is shown as a comment as a whole.
function isHidden(section: readonly string[]): boolean {
  const path = `${section.join('.')}.`;
  const inside = options.filter((option) => option.path.startsWith(path));
  return section.length > 0 && inside.every(({ standard }) => standard === null);
}

function optionLines(option: Option, depth: number, hidden: boolean): string[] {
  const { path, meaning, standard, example, variable, reload } = option;
  const indent = '  '.repeat(depth);
  const comment = (text: string): string => `${hidden ? '# ' : ''}${indent}# ${text}`;
  const notes = [
    isGenerated(option)
      ? 'default: the name of the host'
      : standard === null
        ? 'default: none'
        : `default: ${JSON.stringify(standard)}`,
    ...(variable === null ? [] : [variable]),
    ...(reload ? ['reload'] : []),
  ];
  const shown = isGenerated(option) || standard === null || isEmptyList(standard) ? null : standard;
  const name = path.split('.').at(-1) ?? path;
  const value = formatYaml({ [name]: shown ?? example })
    .trimEnd()
    .split('\n');
  return [
    ...wrapText(meaning, widthMax).map(comment),
    comment(`(${notes.join('; ')})`),
    ...value.map((line) => (shown === null || hidden ? `# ${indent}${line}` : `${indent}${line}`)),
  ];
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

// The one default that depends on the machine.
function isGenerated({ path }: Option): boolean {
  return path === 'name';
}

const widthMax = 100;
