/** HOST:PORT, as it is written in settings, flags and places. */
export interface Address {
  readonly host: string;
  /** 0 to 65,535; 0 takes a free one where something listens. */
  readonly port: number;
}

const pattern = /^(?:\[([\da-f:.%]+)\]|([^\s:/?#[\]@]+)):(\d{1,5})$/i;

/** The address, or a sentence that says what is wrong with it. IPv6 hosts stand in brackets. */
export function parseAddress(text: string): Address | string {
  const match = pattern.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) return 'HOST:PORT is wanted';
  return { host: match[1] ?? match[2] ?? '', port };
}

/** Inverse of {@link parseAddress}. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether only this machine can reach a host. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
