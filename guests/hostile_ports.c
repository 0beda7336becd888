/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M -c 2
// expect: 0
/* Ports: those that exist nowhere, and the power registers with everything but the values that end the machine. */
#include "guests/lib/guest.h"

#define SLP_EN 0x20

static u8 junk[4096];

static bool mine(u16 port)
{
	return (port >= X86_COM1_PORT - 4 && port < X86_COM1_PORT + 8) || (port >= X86_SLEEP_CTRL_PORT - 4 && port < X86_GED_PORT + 1);
}

static void unassigned(void)
{
	for (u32 port = 0; port < 0x10000; port += port < 0x100 || (port > 0xcf0 && port < 0xd00) || port >= 0xfff0 ? 1 : 29) {
		unsigned size = 1U << port % 3;

		if (mine((u16)port))
			continue;
		port_write((u16)port, size, 0xa5a5a5a5);
		/* What KVM itself has there answers for itself. */
		port_read((u16)port, size);
		if (port % 64 == 0)
			tick_check("unassigned ports");
	}
	CHECK(port_read(0x5000, 1) == 0xff && port_read(0x5000, 2) == 0xffff && port_read(0x5000, 4) == 0xffffffff, "an unassigned port does not read all ones");
}

static void power(void)
{
	for (unsigned v = 0; v < 256; v++) {
		if ((v & SLP_EN) == 0)
			port_write(X86_SLEEP_CTRL_PORT, 1, v);
		port_write(X86_SLEEP_STATUS_PORT, 1, v);
		if ((v & X86_RESET_VALUE) == 0)
			port_write(X86_RESET_PORT, 1, v);
		port_write(X86_GED_PORT, 1, v);
	}
	for (u16 p = X86_SLEEP_CTRL_PORT - 4; p < X86_GED_PORT + 4; p++) {
		for (unsigned size = 1; size <= 4; size *= 2) {
			port_read(p, size);
			port_write(p, size, 0);
			port_read_string(p, size, junk, 64);
		}
	}
	memset(junk, 0, sizeof(junk));
	port_write_string(X86_SLEEP_CTRL_PORT, 1, junk, 64);
	tick_check("power registers");
}

static void strings(void)
{
	static const u16 ports[] = { 0x5000, 0xffff, 0xfffd, 0xcf8, 0x80 };

	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++) {
		for (unsigned size = 1; size <= 4; size *= 2) {
			port_read_string(ports[i], size, junk, 128 / size);
			port_write_string(ports[i], size, junk, 128 / size);
		}
		tick_check("strings");
	}
}

void guest_main(void)
{
	tick_start();
	unassigned();
	power();
	strings();
}
