// Preloaded into a process whose wall clock is to be wrong by CLOCK_SHIFT_MS. Its monotonic clock stays right, as on a real machine.
const shiftMs = Number(process.env.CLOCK_SHIFT_MS);
const RealDate = Date;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, self) =>
    Reflect.construct(target, args.length === 0 ? [RealDate.now() + shiftMs] : args, self),
  get: (target, name, self) => (name === "now" ? () => target.now() + shiftMs : Reflect.get(target, name, self)),
});
