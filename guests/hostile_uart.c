/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M -c 2
// expect: 0
/* Every UART register at every width, string output included; in loopback mode so that the console stays readable. Then it prints again. */
#include "guests/lib/guest.h"

#define IER 1
#define FCR 2
#define LCR 3
#define MCR 4
#define LOOPBACK 0x10

static u8 junk[64];

static void sweep(u32 val)
{
	for (u16 reg = 0; reg < 8; reg++) {
		for (unsigned size = 1; size <= 4; size *= 2) {
			port_write(X86_COM1_PORT + MCR, 1, LOOPBACK | 0xf);
			/* A write to several registers at once would end the loopback mode or reach the data register. */
			if (reg != MCR && size == 1)
				port_write(X86_COM1_PORT + reg, size, val);
			port_read(X86_COM1_PORT + reg, size);
		}
	}
	port_write(X86_COM1_PORT + MCR, 1, LOOPBACK);
}

void guest_main(void)
{
	tick_start();
	for (unsigned round = 0; round < 32; round++) {
		sweep(round < 16 ? round * 17 : (u32)rnd());
		if (round % 8 == 0)
			tick_check("registers");
	}
	/* Widths and strings over the whole range and its edges, with the transmitter looped back. */
	port_write(X86_COM1_PORT + LCR, 1, 0);
	port_write(X86_COM1_PORT + MCR, 1, LOOPBACK);
	memset(junk, LOOPBACK, sizeof(junk));
	for (u16 p = X86_COM1_PORT - 4; p < X86_COM1_PORT + 12; p++) {
		for (unsigned size = 2; size <= 4; size *= 2) {
			port_write(p, size, 0x10101010);
			port_write_string(p, size, junk, sizeof(junk) / size);
			port_read_string(p, size, junk, sizeof(junk) / size);
			memset(junk, LOOPBACK, sizeof(junk));
		}
		tick_check("strings");
	}
	for (unsigned i = 0; i < 4; i++) {
		port_write_string(X86_COM1_PORT, 1, junk, sizeof(junk));
		port_read_string(X86_COM1_PORT, 1, junk, sizeof(junk));
	}
	port_write(X86_COM1_PORT + IER, 1, 0);
	port_write(X86_COM1_PORT + LCR, 1, 3);
	port_write(X86_COM1_PORT + FCR, 1, 7);
	port_write(X86_COM1_PORT + MCR, 1, 3);
	tick_check("end");
}
