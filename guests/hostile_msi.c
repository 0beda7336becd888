/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M -c 2 --testdev -p rounds=$MSI_ROUNDS
// expect: 0
/*
 * Interrupt messages with any address and data from the test device: the CPU gets what is a legal message for it, once and at its vector, and
 * nothing else; memory is not written. The other CPU counts. Option rounds=N: how many messages.
 */
#include "devices/testdev.h"
#include "guests/lib/guest.h"

#define VECTORS IRQ_COUNTERS /* from IRQ_FIRST on; an interrupt at any other ends the guest */
#define MSI_BASE 0xfee00000ULL
#define MSI_END 0xfef00000ULL
#define MSI_LOGICAL BIT(2)
#define DATA_LOWEST 0x100 /* delivery modes */
#define DATA_REMOTE 0x300
#define DATA_EXTINT 0x700
#define DATA_ASSERT BIT(14)
#define DATA_LEVEL BIT(15)
#define CANARY 0xca4a2755ca4a2755ULL

static volatile u64 memory[512] __attribute__((aligned(PAGE)));
static u64 bar, table;

static void send(u64 addr, u32 data)
{
	mmio_write(table, 8, addr);
	mmio_write(table + 8, 4, data);
	mmio_write(bar + TESTDEV_REG_CMD, 4, 0);
}

/* A message that interrupts nobody, of kind 0 to 6. */
static void illegal(unsigned kind, u64 r, u32 data)
{
	static const u64 places[] = { 0, X86_ECAM_BASE, MSI_BASE - 4, MSI_END, GiB(4) - 4, X86_LOW_RAM_END, BIT(63) | MSI_BASE, 0xfec00000 };
	u32 vector = IRQ_FIRST + data % VECTORS;
	u64 addr = r;

	switch (kind) {
	case 0: /* anywhere */
		send(addr >> 20 == MSI_BASE >> 20 ? 0 : addr, data);
		break;
	case 1: /* right but for the upper half */
		send((r & GENMASK(63, 32)) | BIT(32 + r % 32) | MSI_BASE, vector);
		break;
	case 2: /* just beside, and what else there is */
		send(places[r % ARRAY_SIZE(places)], vector);
		break;
	case 3: /* RAM */
		send((u64)&memory[r % 512], vector);
		break;
	case 4: /* a CPU that is not there; 255 would be all of them */
		send(MSI_BASE | (2 + r % 0xfd) << 12, data);
		break;
	case 5: /* vectors that are none */
		send(MSI_BASE, data % 16 | (data & DATA_LOWEST));
		break;
	default: /* modes in which no interrupt comes from a device: remote read, and that of an old interrupt controller */
		send(MSI_BASE, vector | (data & BIT(10) ? DATA_EXTINT : DATA_REMOTE));
	}
}

static void legal(u64 r)
{
	unsigned n = r % VECTORS, before = irq_seen[n], all = irq_total;

	send(MSI_BASE | (r & 0x100 ? MSI_LOGICAL | 1 << 12 : 0),
	     IRQ_FIRST + n + (r & 0x200 ? DATA_LOWEST : 0) + (r & 0x400 ? DATA_ASSERT : 0) + ((r & 0xc00) == 0xc00 ? DATA_LEVEL : 0));
	CHECK(irq_wait(&irq_total, all + 1) == all + 1 && irq_seen[n] == before + 1, "vector %u: %u interrupts, %u at it", n,
	      irq_total - all, irq_seen[n] - before);
}

/* Memory requests of a device inside nidus are no messages. */
static void by_dma(u64 r)
{
	mmio_write(bar + TESTDEV_BUFFER, 8, IRQ_FIRST + r % VECTORS);
	mmio_write(bar + TESTDEV_REG_IOVA, 8, MSI_BASE | (r & 0xffffc));
	mmio_write(bar + TESTDEV_REG_LEN, 4, 4);
	mmio_write(bar + TESTDEV_REG_CMD, 4, TESTDEV_CMD_WRITE);
	CHECK(mmio_read(bar + TESTDEV_REG_STATUS, 4) == TESTDEV_STATUS_FAULT, "DMA to an interrupt address");
	mmio_write(bar + TESTDEV_REG_LEN, 4, 0);
}

void guest_main(void)
{
	u16 bdf = pci_find(TESTDEV_VENDOR, TESTDEV_DEVICE);
	unsigned rounds = (unsigned)boot_option("rounds", 5000), n_legal = 0;

	CHECK(bdf != 0xffff, "no test device");
	CHECK(lapic_id() == 0, "this is CPU %u", lapic_id());
	tick_start();
	irq_count(IRQ_FIRST);
	for (unsigned i = 0; i < 512; i++)
		memory[i] = CANARY;
	pci_write(bdf, 4, 2, 6);
	bar = pci_bar(bdf, 0);
	table = pci_msix_table(bdf, NULL);
	pci_msix_set(bdf, 0, IRQ_FIRST, false);
	pci_msix_enable(bdf, true);
	for (unsigned i = 0; i < rounds; i++) {
		unsigned kind = (unsigned)(rnd() % 8);

		if (kind < 7)
			illegal(kind, rnd(), (u32)rnd());
		if (kind == 4)
			by_dma(rnd());
		/* What was wrongly on its way before it arrives with it at the latest. */
		if (kind == 7) {
			legal(rnd());
			n_legal++;
		}
		if (i % 1024 == 1023)
			tick_check("interrupt messages");
	}
	legal(0);
	CHECK(irq_total == n_legal + 1, "%u interrupts for %u messages", irq_total, n_legal + 1);
	for (unsigned i = 0; i < 512; i++)
		CHECK(memory[i] == CANARY, "memory was written: %x", memory[i]);
	say("%u messages, %u of them legal\n", rounds + 1, n_legal + 1);
}
