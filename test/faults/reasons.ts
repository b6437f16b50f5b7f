/** Why a cell of the matrix must hold: the few reasons that there are. They are printed in docs/evidence.md. */
export const REASONS = {
  stopped:
    'the guard stops its command within the lease, counted from before it sent the last write that it knows to have succeeded',
  kept: 'a write has succeeded within the lease, and others see that the entry changes',
  read: 'a read, or the watch, shows by its mark which write was carried out, and the lease counts from before that write was sent',
  theft:
    'the guard learns of it immediately or with its next renewal, and waiters honour the whole lease of the thief and of the former holder',
  remembered: 'a waiter that has seen the holder honours its whole lease, even if the Lease object changes or is deleted',
  supervisor: 'the supervisor knows the deadline, and needs neither the guard nor the network',
  gone: 'the lock is released only when the kernel says that no process of the command is left',
  wall: 'no decision depends on a wall clock',
  margin: 'the margins on both sides are larger than the drift of the clocks in one lease',
  confirmed: 'nothing is started on a claim whose answer was late or lost: another write confirms it first',
} as const;
