/* SPDX-License-Identifier: Apache-2.0 */
// rig: tests/system/vfio_edu.sh
/*
 * The machine is reset while an assigned device is about to write to memory: what it writes afterwards never arrives in the next guest's
 * memory. Option boots=N: how often; run=N: tells this run from others, since the device keeps the count. Even boots write without
 * translation, odd ones through a table.
 */
#include "guests/lib/edu.h"
#include "guests/lib/vtd.h"

#define DID 7
#define IOVA 0x123456000ULL
#define COUNT 0xff
#define CANARY 0xca4a2755ULL
#define PAGES 256

static volatile u64 arena[PAGES][512] __attribute__((aligned(PAGE)));
static u64 pattern[512] __attribute__((aligned(PAGE)));
static struct vtd_unit u;
static struct edu dev;

static void check_arena(const char *when)
{
	for (unsigned i = 0; i < PAGES; i++) {
		for (unsigned k = 0; k < 512; k++)
			CHECK(arena[i][k] == CANARY, "%s: page %u was written: %x", when, i, arena[i][k]);
	}
}

/* What the last guest started is still under way, or was dropped. */
static void survive(unsigned n)
{
	u64 since = cpu_ticks();
	bool busy = edu_busy(&dev);

	CHECK(!(pci_read(dev.bdf, 4, 2) & 4), "bus mastering is on");
	for (unsigned i = 0; i < PAGES; i++) {
		for (unsigned k = 0; k < 512; k++)
			arena[i][k] = CANARY;
	}
	while (edu_busy(&dev))
		CHECK(cpu_ticks() - since < PATIENCE, "edu does not end its DMA");
	check_arena("after a reset");
	edu_master(&dev, true);
	/* The unit is off again and the device works: it reaches what it is told to, and only that. */
	arena[0][0] = 0x600d;
	edu_load(&dev, (u64)arena[0], 8);
	edu_store(&dev, (u64)arena[1], 8);
	CHECK(arena[1][0] == 0x600d, "edu does not work after a reset");
	arena[0][0] = arena[1][0] = CANARY;
	check_arena("in use after a reset");
	say("boot %u: intact%s\n", n, busy ? ", it was still writing" : "");
}

static u64 target(unsigned n)
{
	u64 *top;

	if (!(n & 1))
		return (u64)arena[n % PAGES];
	CHECK(vtd_find(&u, dev.port), "no unit for the port above edu");
	vtd_set_up(&u);
	top = vtd_page();
	vtd_map(top, IOVA, (u64)arena[n % PAGES], PAGE, true);
	vtd_set_table(&u, dev.bdf, 0, DID, top);
	return IOVA;
}

void guest_main(void)
{
	u32 tag = (u32)(0xed000000 | boot_option("run", 0) << 8), n = 0;
	u64 at;

	edu_find(&dev);
	if ((edu_scratch(&dev) & ~(u32)COUNT) == tag)
		n = edu_scratch(&dev) & COUNT;
	if (n)
		survive(n);
	if (n >= boot_option("boots", 3)) {
		edu_set_scratch(&dev, 0);
		return;
	}
	edu_set_scratch(&dev, tag | (n + 1));
	edu_master(&dev, true);
	for (unsigned k = 0; k < 512; k++)
		pattern[k] = 0xbad00000 + n;
	edu_load(&dev, (u64)pattern, PAGE);
	at = target(n);
	if (n & 1)
		vtd_cmd_set(&u, (u32)GCMD_TE);
	edu_store_start(&dev, at, PAGE);
	port_write(X86_RESET_PORT, 1, X86_RESET_VALUE);
	cpu_halt();
}
