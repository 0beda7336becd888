/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>

#include "devices/devices.h"
#include "guests/lib/guest.h"

#define UART_LSR (X86_COM1_PORT + 5)
#define LSR_THR_EMPTY 0x20
#define SLP_EN 0x20

static void (*out)(char c);

void say_through(void (*fn)(char c))
{
	out = fn;
}

static void put(char c)
{
	if (out) {
		out(c);
		return;
	}
	for (unsigned i = 0; i < 100000 && !(port_read(UART_LSR, 1) & LSR_THR_EMPTY); i++)
		cpu_relax();
	port_write(X86_COM1_PORT, 1, (u8)c);
}

static void put_string(const char *s)
{
	while (*s)
		put(*s++);
}

static void put_number(u64 v, unsigned base)
{
	char buf[24];
	unsigned n = 0;

	do {
		buf[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	while (n)
		put(buf[--n]);
}

static void say_args(const char *fmt, va_list ap)
{
	for (; *fmt; fmt++) {
		if (*fmt != '%' || !fmt[1]) {
			put(*fmt);
			continue;
		}
		switch (*++fmt) {
		case 's':
			put_string(va_arg(ap, const char *));
			break;
		case 'u':
			put_number(va_arg(ap, unsigned), 10);
			break;
		case 'x':
			put_string("0x");
			put_number(va_arg(ap, u64), 16);
			break;
		case 'c':
			put((char)va_arg(ap, int));
			break;
		default:
			put(*fmt);
		}
	}
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_args(fmt, ap);
	va_end(ap);
}

void say_pass(void)
{
	say("PASS %s\n", guest_name);
}

void pass(void)
{
	say_pass();
	power_off();
}

void fail(const char *fmt, ...)
{
	va_list ap;

	say("\nFAIL %s: ", guest_name);
	va_start(ap, fmt);
	say_args(fmt, ap);
	va_end(ap);
	put('\n');
	guest_exit(1);
}

/* Fixed addresses only: this has to work when nothing else does. */
void guest_exit(u8 status)
{
	mmio_write(pci_addr(PCI_DEV_PVPANIC << 3, PVPANIC_STATUS_BYTE), 1, status);
	power_off();
}

void power_off(void)
{
	port_write(X86_SLEEP_CTRL_PORT, 1, X86_SLP_TYP_S5 << 2 | SLP_EN);
	cpu_halt();
}
