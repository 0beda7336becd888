/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M -c 2
// expect: 0
/* Ports: those that exist nowhere, PCI configuration by ports, and the power registers with everything but the values that end the machine. */
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

/* Configuration mechanism 1: addresses of all kinds, every port and width; afterwards it still reads the host bridge. */
static void conf1(void)
{
	static const u32 addr[] = { 0, ~0U, BIT(31), BIT(31) | 0x7f000000, BIT(31) | 3, BIT(31) | 0xffff00, BIT(31) | 0xfc };
	u32 id;

	for (unsigned i = 0; i < ARRAY_SIZE(addr) + 100; i++) {
		/* Writes go to functions that do not exist: those that do have guests of their own. */
		u32 a = i < ARRAY_SIZE(addr) ? addr[i] : (u32)rnd();
		bool nobody = !(a & BIT(31)) || (a >> 16 & 0xff) != 0;

		for (u16 off = 0; off < 8; off++) {
			for (unsigned size = 1; size <= 4; size *= 2) {
				port_write(X86_PCI_CONF1_PORT, 4, a);
				port_read(X86_PCI_CONF1_PORT + off, size);
				if (nobody || (off < 4 && size < 4))
					port_write(X86_PCI_CONF1_PORT + off, size, ~0U);
			}
		}
		if (i % 16 == 0)
			tick_check("configuration ports");
	}
	port_write(X86_PCI_CONF1_PORT, 4, BIT(31));
	id = (u32)port_read(X86_PCI_CONF1_PORT + 4, 4);
	CHECK(id == pci_read(0, 0, 4), "the ports read %x for the host bridge", (u64)id);
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
	conf1();
	strings();
}
