/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's side of the guest's console: the terminal or pipes of nidus, a file, a pseudo terminal, or nothing.
 *
 * Output never blocks a vCPU for long: what the host does not take at once waits in a buffer, a full buffer waits up to CONSOLE_STALL_MS, and
 * then output is dropped until somebody reads again. A reader that went away is not an error.
 * A terminal on stdin is switched to raw mode and back: by console_destroy(), and by console_restore() on every other way out.
 */
#ifndef NIDUS_CONSOLE_H
#define NIDUS_CONSOLE_H

#include "vmm/bits.h"
#include "vmm/config.h"

#define CONSOLE_STALL_MS 500
#define CONSOLE_BUF 65536

struct console;
struct event;

/* What the terminal's user asks of nidus by a key. On the event thread. */
struct console_user {
	void (*quit)(void *arg); /* Ctrl-A X */
	void *arg;
};

/*
 * Opens it; nothing is read and the terminal is not touched before console_attach(). SIGPIPE is ignored. 0, or an exit status after one log_error line:
 * EXIT_NOINPUT if the file cannot be written, EXIT_HOST without descriptors or memory.
 */
int console_create(struct event *ev, const struct console_cfg *cfg, const struct console_user *user, struct console **out) __must_check;
/* NULL is fine. Writes what is buffered (waits up to CONSOLE_STALL_MS) and gives the terminal back. No event_run() in progress, no vCPU runs. */
void console_destroy(struct console *c);

/*
 * Connects the guest's device: in(dev, ...) queues input and returns how much it took; when it has room again the device calls console_in_ready().
 * Before event_run(). 0 or -errno.
 */
int console_attach(struct console *c, unsigned (*in)(void *dev, const u8 *buf, unsigned len), void *dev) __must_check;

/* For struct uart_host, arg is the console. Any thread; out may wait as said above. */
void console_out(void *arg, const u8 *buf, unsigned len);
void console_in_ready(void *arg);

/* Gives the terminal its modes back; harmless if nothing was changed. Async-signal-safe. */
void console_restore(void);

/* --- the escape keys, a pure function --- */

enum console_key { CONSOLE_KEY_NONE, CONSOLE_KEY_SEND, CONSOLE_KEY_QUIT, CONSOLE_KEY_HELP };

/* What the byte that was typed means: nothing, *send goes to the guest, or a request. *escaped is the state, false at first. */
enum console_key console_escape(bool *escaped, u8 typed, u8 *send);

#endif
