/** What settings say of the admin endpoint and of who may call. */
import { z } from 'zod';
import { address, listMax, note, path, reload, tls } from './setting-values.ts';

/** Shortest token, in the settings or in a file: 16 random characters cannot be guessed over a network. */
export const tokenCharactersMin = 16;

const token = z
  .strictObject({
    name: z.string().min(1).max(200),
    role: z.enum(['viewer', 'writer', 'operator']),
    token: z.string().min(tokenCharactersMin).nullable().default(null),
    tokenFile: path().nullable().default(null),
  })
  .check(({ value, issues }) => {
    if ((value.token === null) === (value.tokenFile === null)) {
      issues.push({
        code: 'custom',
        message: 'either `token` or `tokenFile` is wanted',
        path: [],
        input: value.name,
      });
    }
  });

export const adminSettings = z.strictObject({
  listen: address()
    .nullable()
    .default(null)
    .meta(
      note('Where the admin endpoint (HTTP) listens; off without it. Port 0 takes a free one.', {
        example: '127.0.0.1:17961',
      }),
    ),
  insecureListen: z
    .boolean()
    .default(false)
    .meta(note('Listen on other than loopback addresses without TLS; a token is needed all the same.')),
  tokens: z
    .array(token)
    .max(listMax)
    .default([])
    .meta(
      note(
        'Who may call, over HTTP and the gRPC of applications: a name, a role (viewer reads, writer also writes properties, ' +
          'operator also gives orders), and a token or a file that holds it. Without any, whoever reaches a loopback ' +
          'address is an operator.',
        { example: [{ name: 'ops', role: 'operator', tokenFile: '/etc/tallystick/ops.token' }], ...reload },
      ),
    ),
  tls: tls('callers').omit({ allow: true }).nullable().default(null),
});
