/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/testdev.h"
#include "tests/unit/pci_rig.h"
#include "tests/unit/unit.h"

#define SID 0x0008

/* A DMA space of one 8 KiB window at IOVA 0x10000, of which the second page is read-only. */
struct bench {
	struct rig r;
	struct dev_ctx ctx;
	struct dma dma;
	u8 ram[8192];
	u32 pasid;
	unsigned live;
	gpa_t bar;
};

#define BASE 0x10000ULL

static int space_get(struct dma *d, struct dma_span *s, struct iovec *iov, unsigned max)
{
	struct bench *b = d->ctx;

	b->pasid = s->pasid;
	if (!range_within(s->iova, s->len, BASE, s->perm == DMA_READ ? 8192 : 4096) || max < 2)
		return -EFAULT;
	/* Two pieces, as a translation of two pages gives. */
	iov[0] = (struct iovec){ b->ram + (s->iova - BASE), s->len / 2 };
	iov[1] = (struct iovec){ b->ram + (s->iova - BASE) + s->len / 2, s->len - s->len / 2 };
	b->live++;
	return 2;
}

static void space_put(struct dma *d, struct dma_span *s)
{
	((struct bench *)d->ctx)->live--;
}

static const struct dma_ops space = { .get = space_get, .put = space_put };

static int dma_for(const struct dev_ctx *ctx, struct pci_fn *fn, bool viommu, struct dma **dma)
{
	struct bench *b = ctx->dma_arg;

	*dma = &b->dma;
	return 0;
}

static void start(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	rig_init(&b->r);
	b->dma = (struct dma){ .ops = &space, .ctx = b };
	b->ctx = (struct dev_ctx){ .pci = b->r.host, .dma_for = dma_for, .dma_arg = b };
	assert_int_equal(testdev_create(&b->ctx, 1, true), 0);
	assert_int_equal(pci_assign(b->r.host), 0);
	rig_enable(&b->r, SID);
	b->bar = rig_rd(&b->r, SID, PCI_BASE_ADDRESS_0, 4) & ~0xfULL;
	assert_int_equal(rig_mmio(&b->r, b->bar, 4), TESTDEV_ID);
}

static u32 run(struct bench *b, u64 iova, u32 pasid, u32 len, u32 cmd)
{
	bus_write(&b->r.bus, b->bar + TESTDEV_REG_IOVA, 8, iova);
	bus_write(&b->r.bus, b->bar + TESTDEV_REG_PASID, 4, pasid);
	bus_write(&b->r.bus, b->bar + TESTDEV_REG_LEN, 4, len);
	bus_write(&b->r.bus, b->bar + TESTDEV_REG_CMD, 4, cmd);
	return (u32)rig_mmio(&b->r, b->bar + TESTDEV_REG_STATUS, 4);
}

static void test_command_rows(void **state)
{
	static const struct {
		u64 iova;
		u32 pasid, len, cmd, status, seen_pasid;
	} rows[] = {
		{ BASE, 0, 4096, TESTDEV_CMD_READ, TESTDEV_STATUS_OK, DMA_NO_PASID },
		{ BASE + 4096, 0, 4096, TESTDEV_CMD_READ, TESTDEV_STATUS_OK, DMA_NO_PASID },
		{ BASE + 4096, 0, 1, TESTDEV_CMD_WRITE, TESTDEV_STATUS_FAULT, DMA_NO_PASID },
		{ BASE, TESTDEV_PASID_VALID | 0xfffff, 1, TESTDEV_CMD_WRITE, TESTDEV_STATUS_OK, 0xfffff },
		{ BASE, 0xffffffff, 1, TESTDEV_CMD_WRITE, TESTDEV_STATUS_OK, 0xfffff },
		{ BASE, 5, 1, TESTDEV_CMD_WRITE, TESTDEV_STATUS_OK, DMA_NO_PASID },
		{ 0, 0, 1, TESTDEV_CMD_READ, TESTDEV_STATUS_FAULT, DMA_NO_PASID },
		{ ~0ULL, 0, 4096, TESTDEV_CMD_HOLD, TESTDEV_STATUS_FAULT, 0 },
		{ BASE, 0, 0, TESTDEV_CMD_READ, TESTDEV_STATUS_BAD, 0 },
		{ BASE, 0, 4097, TESTDEV_CMD_WRITE, TESTDEV_STATUS_BAD, 0 },
		{ BASE, 0, ~0U, TESTDEV_CMD_HOLD, TESTDEV_STATUS_BAD, 0 },
		{ BASE, 0, 1, 0, TESTDEV_STATUS_BAD, 0 },
		{ BASE, 0, 1, ~0U, TESTDEV_STATUS_BAD, 0 },
		{ BASE, 0, 1, TESTDEV_CMD_RELEASE, TESTDEV_STATUS_BAD, 0 },
	};
	struct bench b;

	start(&b);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		b.pasid = 0;
		assert_int_equal(run(&b, rows[i].iova, rows[i].pasid, rows[i].len, rows[i].cmd), rows[i].status);
		assert_int_equal(b.pasid, rows[i].seen_pasid);
		assert_int_equal(b.live, 0);
	}
	assert_int_equal(rig_mmio(&b.r, b.bar + TESTDEV_REG_COUNT, 4), ARRAY_SIZE(rows));
	rig_fini(&b.r);
}

static void test_data_goes_both_ways(void **state)
{
	struct bench b;

	start(&b);
	put_le(b.ram + 5, 8, 0x1122334455667788ULL);
	assert_int_equal(run(&b, BASE + 5, 0, 8, TESTDEV_CMD_READ), TESTDEV_STATUS_OK);
	assert_int_equal(rig_mmio(&b.r, b.bar + TESTDEV_BUFFER, 8), 0x1122334455667788ULL);
	bus_write(&b.r.bus, b.bar + TESTDEV_BUFFER + 1, 2, 0xabcd);
	assert_int_equal(run(&b, BASE + 100, 0, 8, TESTDEV_CMD_WRITE), TESTDEV_STATUS_OK);
	assert_int_equal(get_le(b.ram + 100, 8), 0x1122334455abcd88ULL);
	rig_wr(&b.r, SID, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(run(&b, BASE, 0, 8, TESTDEV_CMD_READ), TESTDEV_STATUS_FAULT);
	rig_fini(&b.r);
}

static void test_hold_keeps_the_span_until_release(void **state)
{
	struct bench b;

	start(&b);
	assert_int_equal(run(&b, BASE, 0, 4, TESTDEV_CMD_HOLD), TESTDEV_STATUS_OK);
	assert_int_equal(b.live, 1);
	assert_int_equal(rig_mmio(&b.r, b.bar + TESTDEV_REG_HELD, 4), 1);
	assert_int_equal(run(&b, BASE, 0, 4, TESTDEV_CMD_READ), TESTDEV_STATUS_BAD);
	assert_int_equal(run(&b, BASE, 0, 4, TESTDEV_CMD_HOLD), TESTDEV_STATUS_BAD);
	bus_write(&b.r.bus, b.bar + TESTDEV_BUFFER, 4, 0x12345678);
	assert_int_equal(get_le(b.ram, 4), 0);
	assert_int_equal(run(&b, 0, 0, 0, TESTDEV_CMD_RELEASE), TESTDEV_STATUS_OK);
	assert_int_equal(get_le(b.ram, 4), 0x12345678);
	assert_int_equal(b.live, 0);
	assert_int_equal(run(&b, BASE, 0, 4, TESTDEV_CMD_HOLD), TESTDEV_STATUS_OK);
	pci_host_reset(b.r.host);
	assert_int_equal(b.live, 0);
	rig_enable(&b.r, SID);
	assert_int_equal(run(&b, BASE, 0, 4, TESTDEV_CMD_HOLD), TESTDEV_STATUS_OK);
	rig_fini(&b.r);
	assert_int_equal(b.live, 0);
}

static void test_completion_raises_the_vector(void **state)
{
	struct bench b;
	unsigned cap;

	start(&b);
	cap = (unsigned)rig_rd(&b.r, SID, PCI_EXP_CAP + 1, 1);
	assert_int_equal(rig_rd(&b.r, SID, cap, 1), PCI_CAP_ID_MSIX);
	rig_wr(&b.r, SID, cap + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	bus_write(&b.r.bus, b.bar + 0x2000, 8, 0xfee01000);
	bus_write(&b.r.bus, b.bar + 0x2008, 8, 0x55);
	run(&b, BASE, 0, 4, TESTDEV_CMD_READ);
	assert_int_equal(b.r.msi.n, 1);
	assert_int_equal(b.r.msi.addr, 0xfee01000);
	assert_int_equal(b.r.msi.data, 0x55);
	rig_fini(&b.r);
}

static void test_register_sweep_is_total(void **state)
{
	struct bench b;

	start(&b);
	for (unsigned off = 0; off < 0x40; off++) {
		for (unsigned size = 1; size <= 8; size++) {
			bus_write(&b.r.bus, b.bar + off, size, ~0ULL);
			for (unsigned bit = 0; bit < 8 * size; bit++)
				bus_write(&b.r.bus, b.bar + off, size, BIT(bit));
			bus_write(&b.r.bus, b.bar + off, size, 0);
			rig_mmio(&b.r, b.bar + off, size);
			/* Across the ends of the buffer. */
			bus_write(&b.r.bus, b.bar + TESTDEV_BUFFER - 1, size, ~0ULL);
			rig_mmio(&b.r, b.bar + TESTDEV_BUFFER + 4095, size);
		}
	}
	assert_int_equal(rig_mmio(&b.r, b.bar, 4), TESTDEV_ID);
	assert_int_equal(rig_mmio(&b.r, b.bar + 1, 2), 0);
	rig_fini(&b.r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_command_rows),
		cmocka_unit_test(test_data_goes_both_ways),
		cmocka_unit_test(test_hold_keeps_the_span_until_release),
		cmocka_unit_test(test_completion_raises_the_vector),
		cmocka_unit_test(test_register_sweep_is_total),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
