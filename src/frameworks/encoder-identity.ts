/** Who an encoder is, for those who only name its work. Apart from the registry, which loads the encoders themselves. */

export interface EncoderIdentity {
  readonly id: string;
  readonly version: string;
}

/** @throws SkeinError INVALID_INPUT for an unknown encoder */
export async function encoderIdentity(name: string): Promise<EncoderIdentity> {
  const { encoderNamed } = await import('../encoder/registry.ts');
  const { id, version } = encoderNamed(name);
  return { id, version };
}
