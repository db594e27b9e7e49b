/**
 * What grpc-js says of a peer that cannot be talked to, in words that say what to do. Its own texts are those of sockets
 * and of OpenSSL; a text that is not known here is passed on as it is.
 */

interface Explanation {
  readonly text: string;
  /** Asking again does not help: someone must mend a flag, a certificate or an address first. */
  readonly isLasting: boolean;
}

const REFUSED = /No connection established.*(Failed to connect|ECONNRESET|EPIPE)/s;

const PASSING: readonly (readonly [RegExp, string])[] = [
  [/ECONNREFUSED/, 'nothing listens there: start it with `skein start --head`, or give its --address'],
  [/ENOTFOUND|EAI_AGAIN|Name resolution failed/, 'its host name is not known here: see --address'],
  [/EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|connect timed out/, 'its host cannot be reached from here'],
  [REFUSED, 'it closes every connection: it wants TLS (give --tls-ca), or it is the port of another product'],
  [
    /Connection dropped|keepalive|RST_STREAM|too_many_pings|ECONNRESET|EPIPE|Call cancelled|GOAWAY/i,
    'the connection was lost',
  ],
];

const LASTING: readonly (readonly [RegExp, string])[] = [
  [
    /wrong version number|packet length too long|record layer|unexpected message|http request/i,
    'it does not speak TLS: leave out --tls-ca, --tls-cert and --tls-key, or start the head with them',
  ],
  [
    /unable to verify|unable to get (local )?issuer|self[- ]signed/i,
    'its certificate is not signed by a CA that is trusted here: give that CA with --tls-ca',
  ],
  [
    /ERR_TLS_CERT_ALTNAME_INVALID|altnames/,
    'its certificate is made out to another name than the one that was dialled',
  ],
  [/alert certificate expired/, 'it does not take our certificate: --tls-cert has expired'],
  [/certificate has expired|CERT_HAS_EXPIRED/, 'its certificate has expired'],
  [/certificate is not yet valid/, 'its certificate is not valid yet: compare the clocks'],
  [/alert certificate required|handshake failure/, 'it asks for a certificate: give --tls-cert and --tls-key'],
  [
    /alert (unknown ca|bad certificate|unsupported certificate)/,
    'it does not take our certificate: its CA did not sign it',
  ],
  [/Protocol error|HTTP status code/, 'it does not speak gRPC: is that the port of another product?'],
];

/** With TLS 1.3 a certificate that is not taken shows as nothing but a connection that closes. */
const REFUSED_OVER_TLS =
  'it closes every connection: it does not take our certificate (--tls-cert), or it is the port of another product';

/**
 * @param details the text of a gRPC status UNAVAILABLE
 * @param usesTls whether TLS was spoken to the peer
 */
export function explainUnreachable(details: string, usesTls: boolean): Explanation {
  const find = (list: typeof LASTING): string | undefined => list.find(([pattern]) => pattern.test(details))?.[1];
  const lasting = find(LASTING);
  if (lasting !== undefined) return { text: lasting, isLasting: true };
  if (usesTls && REFUSED.test(details)) return { text: REFUSED_OVER_TLS, isLasting: false };
  return { text: find(PASSING) ?? details.split('\n', 1)[0] ?? '', isLasting: false };
}
