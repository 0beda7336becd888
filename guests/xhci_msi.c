/* SPDX-License-Identifier: Apache-2.0 */
// rig: tests/system/vfio_msi.sh
/*
 * MSI with several messages: a real host's VFIO, QEMU's "nec-usb-xhci,msi=on,msix=off" below a root port. Each of its interrupters has a
 * message, and raises it when it is told that its event ring was read up to where there is nothing to read; no USB device is needed for that.
 *
 * All sixteen arrive at their vectors; with fewer enabled they are shared out; a message that was changed goes to its new vector, or to nobody,
 * and what the guest writes there, legal or not, is all that this CPU sees of it.
 */
#include "guests/lib/guest.h"

#define XHCI_ID (0x0194U << 16 | 0x1033)
#define XHCI_CAPLENGTH 0x00
#define XHCI_PARAMS1 0x04 /* 18:8: interrupters */
#define XHCI_RTSOFF 0x18
#define USBCMD 0x00 /* from CAPLENGTH on */
#define USBCMD_RESET BIT(1)
#define USBCMD_INTE BIT(2)
#define IMAN 0x00 /* from the interrupter's registers on */
#define IMAN_PENDING BIT(0)
#define IMAN_ENABLE BIT(1)
#define ERSTSZ 0x08
#define ERSTBA 0x10
#define ERDP 0x18
#define ERDP_BUSY BIT(3)
#define RING_EVENTS 16

#define CAP_MSI 5
#define MSI_FLAGS 2
#define MSI_ENABLE BIT(0)
#define MSI_ADDR 4
#define MSI_DATA 12
#define MSI_HERE 0xfee00000U
#define MSI_NOBODY 0xfee55000U
#define MESSAGES 16
#define VEC 0x40
#define HOSTILE 150

static volatile u64 ring[MESSAGES][2 * RING_EVENTS] __attribute__((aligned(PAGE)));
static volatile u64 segment[MESSAGES][8] __attribute__((aligned(PAGE))); /* of each ring: its address, its length */
static u16 bdf;
static unsigned cap;
static u64 bar, runtime;

static void find(void)
{
	for (u16 port = pci_next(0); port != 0xffff && !bdf; port = pci_next(port + 1)) {
		u16 below = (u16)(pci_read(port, 0x19, 1) << 8);

		if ((pci_read(port, 0x0e, 1) & 0x7f) != 1 || !below || pci_read(below, 0, 4) != XHCI_ID)
			continue;
		bdf = below;
		pci_write(port, 4, 2, 6);
	}
	CHECK(bdf, "no USB controller below a root port");
	/* Memory, bus mastering, and no wired interrupt while MSI is off. */
	pci_write(bdf, 4, 2, 0x406);
	bar = pci_bar(bdf, 0);
	cap = pci_cap(bdf, CAP_MSI, 0);
	CHECK(cap && !pci_cap(bdf, 0x11, 0), "its capabilities: MSI at %x, MSI-X at %x", (u64)cap, (u64)pci_cap(bdf, 0x11, 0));
	CHECK(pci_read(bdf, cap + MSI_FLAGS, 2) == (0x80 | 4 << 1), "MSI flags %x", (u64)pci_read(bdf, cap + MSI_FLAGS, 2));
}

static u64 interrupter(unsigned i)
{
	return runtime + 0x20 + 0x20 * i;
}

static void set_up(void)
{
	u64 oper = bar + (mmio_read(bar + XHCI_CAPLENGTH, 4) & 0xff), since = cpu_ticks();

	CHECK((mmio_read(bar + XHCI_PARAMS1, 4) >> 8 & 0x7ff) == MESSAGES, "parameters %x", mmio_read(bar + XHCI_PARAMS1, 4));
	mmio_write(oper + USBCMD, 4, USBCMD_RESET);
	while (mmio_read(oper + USBCMD, 4) & USBCMD_RESET)
		CHECK(cpu_ticks() - since < PATIENCE, "its reset does not end");
	runtime = bar + mmio_read(bar + XHCI_RTSOFF, 4);
	for (unsigned i = 0; i < MESSAGES; i++) {
		segment[i][0] = (u64)ring[i];
		segment[i][1] = RING_EVENTS;
		mmio_write(interrupter(i) + ERSTSZ, 4, 1);
		mmio_write(interrupter(i) + ERSTBA, 4, (u64)segment[i]);
		mmio_write(interrupter(i) + ERSTBA + 4, 4, 0);
		mmio_write(interrupter(i) + IMAN, 4, IMAN_ENABLE | IMAN_PENDING);
	}
	mmio_write(oper + USBCMD, 4, USBCMD_INTE);
}

static void message(u32 addr, u32 high, u32 data)
{
	pci_write(bdf, cap + MSI_ADDR, 4, addr);
	pci_write(bdf, cap + MSI_ADDR + 4, 4, high);
	pci_write(bdf, cap + MSI_DATA, 2, data);
}

/* As many messages as 2^log2. */
static void enable(unsigned log2)
{
	pci_write(bdf, cap + MSI_FLAGS, 2, (u32)MSI_ENABLE | log2 << 4);
}

static void raise(unsigned i)
{
	mmio_write(interrupter(i) + ERDP, 4, (u64)&ring[i][2] | ERDP_BUSY);
}

/* Interrupter i raises vector VEC + n, once and nothing else. */
static void expect(const char *what, unsigned i, unsigned n)
{
	unsigned all = irq_total, before = irq_seen[n];

	raise(i);
	CHECK(irq_wait(&irq_total, all + 1) == all + 1 && irq_seen[n] == before + 1, "%s: of interrupter %u %u interrupts, %u at vector %u", what, i,
	      irq_total - all, irq_seen[n] - before, n);
}

static void expect_none(const char *what, unsigned i)
{
	unsigned all = irq_total;

	raise(i);
	irq_on();
	for (unsigned k = 0; k < 20000; k++)
		cpu_relax();
	irq_off();
	CHECK(irq_total == all, "%s: an interrupt of interrupter %u", what, i);
}

/* Any address but this CPU's, and any data. Each change is a new table for the host's kernel, which takes its time. */
static void hostile(void)
{
	for (unsigned k = 0; k < HOSTILE; k++) {
		u64 r = rnd();
		u32 addr = (u32)r, high = k & 1 ? (u32)(r >> 32) : 0;

		if (!high && addr >> 20 == MSI_HERE >> 20)
			addr = MSI_NOBODY;
		message(addr, high, k & 2 ? VEC : (u32)rnd());
		raise(k % MESSAGES);
		if (k % 16 != 15)
			continue;
		message(MSI_HERE, 0, VEC);
		expect("after hostile messages", k % MESSAGES, k % 4);
	}
}

void guest_main(void)
{
	find();
	set_up();
	irq_count(VEC);
	expect_none("before MSI is on", 1);
	message(MSI_HERE, 0, VEC);
	enable(4);
	for (unsigned i = 0; i < MESSAGES; i++)
		expect("sixteen messages", i, i);

	/* While they are on: the low bits of the data are the function's own. */
	message(MSI_NOBODY, 0, VEC);
	expect_none("a CPU that is not there", 5);
	message(MSI_HERE, 0, VEC + 3);
	expect("its address again", 5, 5);

	enable(2);
	message(MSI_HERE, 0, VEC + 5);
	expect("four messages", 2, 6);
	expect("four messages", 7, 7);
	pci_write(bdf, cap + MSI_FLAGS, 2, 0);
	expect_none("MSI is off", 3);
	enable(2);
	expect("MSI is on again", 3, 7);
	hostile();
}
