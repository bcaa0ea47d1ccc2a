// Preloaded into a process whose wall clock is to be wrong by CLOCK_SHIFT_MS, or by what the test says later. Its monotonic clock stays
// right, as on a real machine.
let shiftMs = Number(process.env.CLOCK_SHIFT_MS ?? 0);
const RealDate = Date;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, self) =>
    Reflect.construct(target, args.length === 0 ? [RealDate.now() + shiftMs] : args, self),
  get: (target, name, self) => (name === "now" ? () => target.now() + shiftMs : Reflect.get(target, name, self)),
});

process.on("message", (message: { clockShiftMs?: number }) => {
  shiftMs = message.clockShiftMs ?? shiftMs;
});
process.channel?.unref();
