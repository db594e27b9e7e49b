/** The environment of actor threads: what programs need to run, and no secret of the daemon (DESIGN rule 10). */

const ALLOWED =
  /^(?:PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TMP|TEMP|PWD|TERM|NO_COLOR|FORCE_COLOR|NODE_ENV|NODE_PATH|NODE_COMPILE_CACHE|NODE_EXTRA_CA_CERTS|SSL_CERT_(?:FILE|DIR)|(?:https?|no|all)_proxy)$/i;

/** The allowed part of `env`. What an actor needs beyond it is given to it by name (`runtimeEnv.envVars`). */
export function actorEnv(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const allowed: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) if (value !== undefined && ALLOWED.test(name)) allowed[name] = value;
  return allowed;
}
