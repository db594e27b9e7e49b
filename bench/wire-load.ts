/** What both ends of the stream's bench agree on. */
export const TOKEN = 'bench';
/** Messages that one tick of the sender brings: one frame. */
export const PER_TICK = 100;
