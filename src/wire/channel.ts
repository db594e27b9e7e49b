/**
 * The settings of every gRPC channel and server of Skein, typed so that a misspelt key cannot be ignored in silence
 * (grpc-js takes any string), and the token that calls carry.
 */
import { logVerbosity, Metadata, setLogVerbosity, type ChannelOptions } from '@grpc/grpc-js';

// It writes to stderr what it also throws; what is worth saying is said by whoever catches it.
setLogVerbosity(logVerbosity.NONE);

/** The largest message that either side takes. Batches stay far below it; big things go through the store. */
export const MAX_MESSAGE_BYTES = 8 * 1024 * 1024;

/** How soon a peer that was frozen or cut off is noticed: within the sum. */
export interface Keepalive {
  /** Silence after which a sign of life is asked for. Default 4,500. */
  readonly timeMs: number;
  /** How long the answer may take. Default 2,500. */
  readonly timeoutMs: number;
}

/** For two ends in one process: neither can be gone without the other, and a process that was stopped goes on. */
export const ONE_PROCESS: Keepalive = { timeMs: 3_600_000, timeoutMs: 600_000 };

/** Both sides ask for signs of life, so a peer that was frozen or cut off is noticed within `time + timeout`, with a second to spare of the 8 s that we promise. */
export const CHANNEL_OPTIONS = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  'grpc.keepalive_time_ms': 4_500,
  'grpc.keepalive_timeout_ms': 2_500,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.max_reconnect_backoff_ms': 5_000,
  // A proxy in the environment would divert even loopback calls.
  'grpc.enable_http_proxy': 0,
  // A channel of ours shares neither sockets nor back-off with an earlier one.
  'grpc.use_local_subchannel_pool': 1,
} satisfies Partial<ChannelOptions>;

export interface ChannelSettings {
  /** For tests: another patience. */
  readonly keepalive?: Keepalive | undefined;
  /** See `serverNameFor`. */
  readonly serverName?: string | undefined;
}

/** The settings of one channel or server. */
export function channelOptions({ keepalive, serverName }: ChannelSettings): Partial<ChannelOptions> {
  return {
    ...CHANNEL_OPTIONS,
    ...(keepalive && {
      'grpc.keepalive_time_ms': keepalive.timeMs,
      'grpc.keepalive_timeout_ms': keepalive.timeoutMs,
    }),
    ...(serverName !== undefined && { 'grpc.ssl_target_name_override': serverName }),
  } satisfies Partial<ChannelOptions>;
}

const TOKEN_KEY = 'authorization';

/** Metadata that presents `token`. */
export function tokenMetadata(token: string): Metadata {
  const metadata = new Metadata();
  metadata.set(TOKEN_KEY, `Bearer ${token}`);
  return metadata;
}

/** The token that a call presented, empty if none. */
export function presentedToken(metadata: Metadata): string {
  return String(metadata.get(TOKEN_KEY)[0] ?? '').replace(/^Bearer /, '');
}
