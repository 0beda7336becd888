/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M -c 2 --testdev
// expect: 0
/* The test device: every register at every width, commands on addresses and lengths of all kinds, a held span over a reset. The other CPU counts. */
#include "devices/testdev.h"
#include "guests/lib/guest.h"

#define DEV_REGS 0x40
#define DEV_END KiB(16)
#define LAST_PAGE (MiB(64) - PAGE)

static const u64 addresses[] = {
	0, LAST_PAGE, LAST_PAGE + 1, MiB(64), X86_LOW_RAM_END - 8, X86_ECAM_BASE, X86_LAPIC_BASE, GiB(4) - 1, BIT(52), BIT(63), ~0ULL, ~0xfffULL,
};
static const u32 lengths[] = { 0, 1, 4095, 4096, 4097, 0x7fffffff, ~0U };

static u64 bar;

static u32 command(u64 iova, u32 len, u32 pasid, u32 cmd)
{
	mmio_write(bar + TESTDEV_REG_IOVA, 8, iova);
	mmio_write(bar + TESTDEV_REG_LEN, 4, len);
	mmio_write(bar + TESTDEV_REG_PASID, 4, pasid);
	mmio_write(bar + TESTDEV_REG_CMD, 4, cmd);
	return (u32)mmio_read(bar + TESTDEV_REG_STATUS, 4);
}

static bool in_ram(u64 iova, u32 len)
{
	return len && len <= PAGE && range_within(iova, len, LAST_PAGE, PAGE);
}

/* Reads from anywhere; writes only to RAM's last page, or where there is none. */
static void commands(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++) {
		for (unsigned k = 0; k < ARRAY_SIZE(lengths); k++) {
			for (u32 cmd = 0; cmd < 8; cmd++) {
				bool writes = cmd == TESTDEV_CMD_WRITE || cmd == TESTDEV_CMD_HOLD;
				u32 status;

				if (writes && addresses[i] < LAST_PAGE)
					continue;
				status = command(addresses[i], lengths[k], k & 1 ? TESTDEV_PASID_VALID | 0xfffff : 0, cmd);
				CHECK(status >= TESTDEV_STATUS_OK && status <= TESTDEV_STATUS_BAD, "status %x", (u64)status);
				if (writes && !in_ram(addresses[i], lengths[k]))
					CHECK(status != TESTDEV_STATUS_OK, "%x bytes at %x were written", (u64)lengths[k], addresses[i]);
			}
			command(0, 0, 0, TESTDEV_CMD_RELEASE);
		}
		tick_check("commands");
	}
}

static void registers(void)
{
	for (u64 off = 0; off < DEV_END; off += off < DEV_REGS ? 1 : off < TESTDEV_BUFFER ? 251 : 509) {
		for (unsigned size = 1; size <= 8; size *= 2) {
			mmio_read(bar + off, size);
			/* A command on what the sweep itself left there. */
			mmio_write(bar + TESTDEV_REG_IOVA, 8, LAST_PAGE);
			mmio_write(bar + TESTDEV_REG_LEN, 4, PAGE);
			mmio_write(bar + off, size, off & 1 ? ~0ULL : off & 7);
		}
	}
	tick_check("registers");
}

static void held(u16 bdf)
{
	CHECK(command(LAST_PAGE, 8, 0, TESTDEV_CMD_HOLD) == TESTDEV_STATUS_OK, "no span to hold");
	CHECK(command(LAST_PAGE, 8, 0, TESTDEV_CMD_HOLD) == TESTDEV_STATUS_BAD, "a second span at once");
	pci_write(bdf, 4, 2, 2);
	mmio_write(bar + TESTDEV_BUFFER, 8, 0x1234);
	CHECK(command(0, 0, 0, TESTDEV_CMD_RELEASE) == TESTDEV_STATUS_OK, "a held span cannot be released");
	CHECK(command(LAST_PAGE, 8, 0, TESTDEV_CMD_WRITE) == TESTDEV_STATUS_FAULT, "DMA without bus mastering");
	pci_write(bdf, 4, 2, 6);
	CHECK(command(LAST_PAGE, 8, 0, TESTDEV_CMD_WRITE) == TESTDEV_STATUS_OK, "no DMA after all this");
	CHECK(*(volatile u64 *)LAST_PAGE == 0x1234, "DMA wrote something else");
	tick_check("a held span");
}

void guest_main(void)
{
	u16 bdf = pci_find(TESTDEV_VENDOR, TESTDEV_DEVICE);

	CHECK(bdf != 0xffff, "no test device");
	tick_start();
	pci_write(bdf, 4, 2, 6);
	bar = pci_bar(bdf, 0);
	commands();
	registers();
	command(0, 0, 0, TESTDEV_CMD_RELEASE);
	held(bdf);
}
