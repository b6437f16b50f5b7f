/** Why a cell of the matrix must hold: the few reasons that there are. */
export const REASONS = {
  stopped:
    'the guard stops its command within the lease, counted from before the send of the last write that it knows to have succeeded',
  kept: 'a write has succeeded within the lease, and others see the entry change',
  read: 'a read, or the watch, shows by its mark which write has landed, and the lease counts from before the send of that one',
  theft:
    'the guard asks at once or at its next renewal, and whoever waits gives the thief and the ousted holder their whole time',
  remembered: 'whoever has seen the holder honours its whole lease, whatever becomes of the Lease object',
  supervisor: 'the supervisor knows the deadline and needs neither guard nor network',
  gone: 'the lock is released only when the kernel says that no process of the command is left',
  wall: 'no decision looks at a wall clock',
  margin: 'the margins on both sides are larger than what the clocks drift apart in one lease',
  confirmed: 'nothing is started on a claim whose answer came too late or not at all: it is confirmed by another write first',
} as const;
