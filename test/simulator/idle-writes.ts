/** Loaded before a simulation, for a test of it: stores that acknowledge writes and do nothing. */
import { MemoryStore } from './memory-store.ts';

MemoryStore.prototype.write = async () => undefined;
