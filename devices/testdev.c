/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "devices/testdev.h"
#include "vmm/dma.h"
#include "vmm/pci.h"

#define BUF_SIZE 4096
#define BAR_SIZE KiB(16)
#define MSIX_TABLE 0x2000
#define MSIX_PBA 0x3000
#define MAX_IOV 4 /* 4096 bytes touch at most two pages */

struct testdev {
	struct pci_fn fn; /* first member */
	u64 iova;
	u32 pasid, len, status, count;
	struct dma_span span;
	struct iovec iov[MAX_IOV];
	unsigned n_iov;
	u8 buf[BUF_SIZE];
};

static int translate(struct testdev *t, enum dma_perm perm)
{
	u32 pasid = t->pasid & TESTDEV_PASID_VALID ? t->pasid & (u32)GENMASK(19, 0) : DMA_NO_PASID;
	int n;

	if (!pci_bus_master_on(&t->fn))
		return -EFAULT;
	n = dma_get_pasid(t->fn.dma, pasid, t->iova, t->len, perm, &t->span, t->iov, MAX_IOV);
	t->n_iov = n > 0 ? (unsigned)n : 0;
	return n < 0 ? n : 0;
}

static void copy(struct testdev *t, enum dma_perm perm)
{
	u8 *b = t->buf;

	for (unsigned i = 0; i < t->n_iov; b += t->iov[i].iov_len, i++) {
		if (perm == DMA_WRITE)
			memcpy(t->iov[i].iov_base, b, t->iov[i].iov_len);
		else
			memcpy(b, t->iov[i].iov_base, t->iov[i].iov_len);
	}
}

static u32 transfer(struct testdev *t, enum dma_perm perm)
{
	if (translate(t, perm))
		return TESTDEV_STATUS_FAULT;
	copy(t, perm);
	dma_put(&t->span);
	return TESTDEV_STATUS_OK;
}

static u32 command(struct testdev *t, u32 cmd)
{
	bool held = t->span.dma != NULL;

	if (cmd == TESTDEV_CMD_RELEASE && held) {
		copy(t, DMA_WRITE);
		dma_put(&t->span);
		return TESTDEV_STATUS_OK;
	}
	if (held || t->len < 1 || t->len > BUF_SIZE)
		return TESTDEV_STATUS_BAD;
	if (cmd == TESTDEV_CMD_READ)
		return transfer(t, DMA_READ);
	if (cmd == TESTDEV_CMD_WRITE)
		return transfer(t, DMA_WRITE);
	if (cmd == TESTDEV_CMD_HOLD)
		return translate(t, DMA_WRITE) ? TESTDEV_STATUS_FAULT : TESTDEV_STATUS_OK;
	return TESTDEV_STATUS_BAD;
}

static u32 reg_read(const struct testdev *t, u64 off)
{
	switch (off) {
	case TESTDEV_REG_ID:
		return TESTDEV_ID;
	case TESTDEV_REG_IOVA:
		return (u32)t->iova;
	case TESTDEV_REG_IOVA + 4:
		return (u32)(t->iova >> 32);
	case TESTDEV_REG_PASID:
		return t->pasid;
	case TESTDEV_REG_LEN:
		return t->len;
	case TESTDEV_REG_STATUS:
		return t->status;
	case TESTDEV_REG_COUNT:
		return t->count;
	case TESTDEV_REG_HELD:
		return t->span.dma != NULL;
	default:
		return 0;
	}
}

static void reg_write(struct testdev *t, u64 off, u32 val)
{
	switch (off) {
	case TESTDEV_REG_IOVA:
		t->iova = (t->iova & GENMASK(63, 32)) | val;
		break;
	case TESTDEV_REG_IOVA + 4:
		t->iova = (t->iova & GENMASK(31, 0)) | (u64)val << 32;
		break;
	case TESTDEV_REG_PASID:
		t->pasid = val & (TESTDEV_PASID_VALID | (u32)GENMASK(19, 0));
		break;
	case TESTDEV_REG_LEN:
		t->len = val;
		break;
	case TESTDEV_REG_CMD:
		t->status = command(t, val);
		t->count++;
		pci_msix_raise(&t->fn, 0);
		break;
	}
}

static bool is_reg(u64 off, unsigned size)
{
	return off < TESTDEV_BUFFER && (size == 4 || size == 8) && IS_ALIGNED(off, size);
}

static void bar_read(struct pci_fn *fn, unsigned bar, u64 off, unsigned size, u64 *val)
{
	struct testdev *t = (struct testdev *)fn;

	if (range_within(off, size, TESTDEV_BUFFER, BUF_SIZE))
		*val = get_le(t->buf + (off - TESTDEV_BUFFER), size);
	else if (is_reg(off, size))
		*val = reg_read(t, off) | (size == 8 ? (u64)reg_read(t, off + 4) << 32 : 0);
	else
		*val = 0;
}

static void bar_write(struct pci_fn *fn, unsigned bar, u64 off, unsigned size, u64 val)
{
	struct testdev *t = (struct testdev *)fn;

	if (range_within(off, size, TESTDEV_BUFFER, BUF_SIZE)) {
		put_le(t->buf + (off - TESTDEV_BUFFER), size, val);
	} else if (is_reg(off, size)) {
		reg_write(t, off, (u32)val);
		if (size == 8)
			reg_write(t, off + 4, (u32)(val >> 32));
	}
}

static void reset(struct pci_fn *fn)
{
	struct testdev *t = (struct testdev *)fn;

	dma_put(&t->span);
	t->iova = 0;
	t->pasid = t->len = t->status = t->count = 0;
	memset(t->buf, 0, sizeof(t->buf));
}

static void destroy(struct pci_fn *fn)
{
	struct testdev *t = (struct testdev *)fn;

	dma_put(&t->span);
	pci_fn_fini(fn);
	free(t);
}

static const struct pci_fn_ops ops = { .bar_read = bar_read, .bar_write = bar_write, .reset = reset, .destroy = destroy };

int testdev_create(const struct dev_ctx *ctx, unsigned dev, bool viommu)
{
	static const struct pci_ids ids = { .vendor = TESTDEV_VENDOR, .device = TESTDEV_DEVICE, .class_rev = 0xff0000 << 8 };
	int err, slot = pci_free_dev(ctx->pci, dev);
	struct testdev *t;

	if (slot < 0)
		return slot;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	err = pci_fn_init(&t->fn, &ops, &ids, "testdev");
	if (err)
		goto free_dev;
	err = ctx->dma_for(ctx, &t->fn, viommu, &t->fn.dma);
	if (err)
		goto fini_fn;
	err = pci_add_bar(&t->fn, 0, BAR_SIZE, false, false);
	if (!err)
		err = pci_add_msix(&t->fn, 0, 1, MSIX_TABLE, MSIX_PBA);
	if (!err)
		err = pci_plug(ctx->pci, NULL, PCI_DEVFN(slot, 0), &t->fn);
	if (err)
		goto fini_fn;
	return 0;
fini_fn:
	pci_fn_fini(&t->fn);
free_dev:
	free(t);
	return err;
}
