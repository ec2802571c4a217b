/** Errors of calls as coded errors that name the peer. */
import { Code, ConnectError } from '@connectrpc/connect';
import { expect, test } from 'vitest';
import { fromWireError } from '../../../src/peer/wire-error.ts';

test.each([
  ['no answer of a:1: alert: SSL alert number 116', false],
  ['a:1 says: alert: SSL alert number 116', true],
])('what a library says over several lines is told in one: %s', (message, fromPeer) => {
  const error = new ConnectError('alert:\n  SSL alert number 116\n', Code.Unavailable);
  error.isWireError = fromPeer;
  expect(fromWireError(error, 'a:1')).toMatchObject({
    code: 'unreachable',
    message,
    details: { place: 'a:1' },
  });
});
