// Preloaded into every process that a test starts: when the test's own process is gone, however it ended, so is this one.
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
process.channel?.unref();
