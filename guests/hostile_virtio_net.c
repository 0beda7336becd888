/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M -c 2 -n tap=$TAP,pps=1000000
// nidus: needs=/dev/vhost-net -m 64M -c 2 -n tap=$TAP
// nidus: -m 64M -c 2 --viommu vtd -n tap=$TAP,pps=1000000,viommu=on
// expect: 0
/* A hostile driver of the network card, served by nidus and by the host's kernel, with frames coming in all the time, while the other CPU counts. */
#include "guests/lib/virtio.h"

void guest_main(void)
{
	struct vdev v;

	tick_start();
	CHECK(virtio_find(VIRTIO_NET, &v), "no network card");
	virtio_abuse_all(&v);
}
