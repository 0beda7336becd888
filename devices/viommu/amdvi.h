/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AMD-Vi unit's own state, shared by amdvi.c (registers and structures), amdvi_queue.c (command buffer), amdvi_event.c (event log) and
 * amdvi_fn.c (its PCI function). lock and run are the unit's (unit.h).
 */
#ifndef NIDUS_AMDVI_H
#define NIDUS_AMDVI_H

#include "devices/viommu/amdvi_decode.h"
#include "devices/viommu/amdvi_regs.h"
#include "devices/viommu/unit.h"

struct pci_host;

enum amdvi_reg {
	AR_DEVTAB, AR_CMDBASE, AR_EVTBASE, AR_CONTROL, AR_EFR, AR_PPRBASE, AR_EFR2,
	AR_CMDHEAD, AR_CMDTAIL, AR_EVTHEAD, AR_EVTTAIL, AR_STATUS, AR_PPRHEAD, AR_PPRTAIL,
	AMDVI_REGS
};

struct amdvi {
	struct viommu v;
	struct amdvi_caps caps;
	/* lock: */
	u64 control;   /* as it is in force; the register may be ahead while a command waits for run */
	bool v1_told;
	struct {
		bool on;
		u64 addr;
		u32 data;
	} msi; /* as the PCI function's capability has it */
};

static inline struct amdvi *amdvi_of(struct viommu *v)
{
	return CONTAINER_OF(v, struct amdvi, v);
}

static inline u64 *amdvi_reg(struct amdvi *t, unsigned reg)
{
	return &t->v.regs.val[reg];
}

/* Bytes of the ring whose base register reads base; 0: its length is not legal. */
static inline u64 amdvi_ring_len(u64 base)
{
	u64 n = FIELD_GET(RING_LEN, base);

	return n < RING_LEN_MIN ? 0 : (u64)RING_ENTRY << n;
}

/* amdvi_queue.c: see struct viommu_model. */
bool amdvi_queue_pending(void *v);
void amdvi_queue_step(void *v);

/* amdvi_event.c; lock held in all. */
/* Writes the event and tells; nothing while the log does not run. */
void amdvi_event(struct amdvi *t, const u64 event[2]);
void amdvi_fault(struct viommu *v, const struct s1_fault *f);
u16 amdvi_explain(const struct s1_fault *f, const char **words);
/* Sets a status bit; an interrupt when it was clear and control has enable. */
void amdvi_status_set(struct amdvi *t, u64 bit, u64 enable);
/* Interrupts that became enabled while their status bit was set. */
void amdvi_irq_enabled(struct amdvi *t, u64 were, u64 are);

/* --- for the VMM --- */

/* What the guest's IVRS says of a unit: of viommu_create() with VIOMMU_AMDVI. */
u64 amdvi_efr(struct viommu *v);
u64 amdvi_efr2(struct viommu *v);
/* What the MSI capability holds now. Any thread, no lock held but fn->lock. */
void amdvi_msi_set(struct viommu *v, bool on, u64 addr, u32 data);

/*
 * The unit as a PCI function on bus 0: class 080600h, the IOMMU capability at AMDVI_FN_CAP, MSI. v must outlive it; pci owns it. 0 or -errno.
 */
#define AMDVI_FN_CAP 0x40
int amdvi_fn_create(struct viommu *v, struct pci_host *pci, u8 devfn) __must_check;

#endif
