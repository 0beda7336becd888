/* SPDX-License-Identifier: Apache-2.0 */
#include "guests/lib/edu.h"

#define EDU_VENDOR 0x1234
#define EDU_DEVICE 0x11e8
#define EDU_ID 0x00
#define EDU_LIVENESS 0x04 /* reads as the complement of what was written */
#define EDU_DMA_SRC 0x80
#define EDU_DMA_DST 0x88
#define EDU_DMA_LEN 0x90
#define EDU_DMA_CMD 0x98
#define CMD_RUN 1
#define CMD_TO_MEMORY 2
#define EDU_BUFFER 0x40000 /* how the DMA registers name the buffer */

#define PCI_COMMAND 4
#define COMMAND_MEMORY 2
#define COMMAND_MASTER 4
#define PCI_HEADER_TYPE 0x0e
#define PCI_SECONDARY 0x19

void edu_find(struct edu *e)
{
	for (u16 port = pci_next(0); port != 0xffff; port = pci_next(port + 1)) {
		u16 bdf = (u16)(pci_read(port, PCI_SECONDARY, 1) << 8);

		if ((pci_read(port, PCI_HEADER_TYPE, 1) & 0x7f) != 1 || !bdf || pci_read(bdf, 0, 4) != (EDU_DEVICE << 16 | EDU_VENDOR))
			continue;
		*e = (struct edu){ bdf, port, pci_bar(bdf, 0) };
		pci_write(port, PCI_COMMAND, 2, COMMAND_MEMORY | COMMAND_MASTER);
		pci_write(bdf, PCI_COMMAND, 2, pci_read(bdf, PCI_COMMAND, 2) | COMMAND_MEMORY);
		CHECK((mmio_read(e->bar + EDU_ID, 4) & 0xffff) == 0x00ed, "edu does not answer: %x", mmio_read(e->bar + EDU_ID, 4));
		return;
	}
	fail("no edu device below a root port");
}

void edu_master(const struct edu *e, bool on)
{
	pci_write(e->bdf, PCI_COMMAND, 2, on ? COMMAND_MEMORY | COMMAND_MASTER : COMMAND_MEMORY);
}

bool edu_busy(const struct edu *e)
{
	return mmio_read(e->bar + EDU_DMA_CMD, 4) & CMD_RUN;
}

static void start(const struct edu *e, u64 from, u64 to, u32 len, u32 cmd)
{
	mmio_write(e->bar + EDU_DMA_SRC, 8, from);
	mmio_write(e->bar + EDU_DMA_DST, 8, to);
	mmio_write(e->bar + EDU_DMA_LEN, 4, len);
	mmio_write(e->bar + EDU_DMA_CMD, 4, cmd | CMD_RUN);
}

static void end(const struct edu *e)
{
	u64 since = cpu_ticks();

	while (edu_busy(e)) {
		CHECK(cpu_ticks() - since < PATIENCE, "edu does not end its DMA");
		for (unsigned i = 0; i < 1000; i++)
			cpu_relax();
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void edu_load(const struct edu *e, u64 at, u32 len)
{
	start(e, at, EDU_BUFFER, len, 0);
	end(e);
}

void edu_store_start(const struct edu *e, u64 at, u32 len)
{
	start(e, EDU_BUFFER, at, len, CMD_TO_MEMORY);
}

void edu_store(const struct edu *e, u64 at, u32 len)
{
	edu_store_start(e, at, len);
	end(e);
}

u32 edu_scratch(const struct edu *e)
{
	return ~(u32)mmio_read(e->bar + EDU_LIVENESS, 4);
}

void edu_set_scratch(const struct edu *e, u32 val)
{
	mmio_write(e->bar + EDU_LIVENESS, 4, val);
}
