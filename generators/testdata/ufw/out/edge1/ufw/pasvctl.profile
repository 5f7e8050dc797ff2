# Made by pasvctl 0.1.0; do not edit: change the spec and generate it again.
# pasvctl.sh beside it loads it.

[pasvctl-downloads]
title=FTP site downloads
description=Control and data ports of FTP site downloads
ports=21,61000:61046/tcp

[pasvctl-orders-of-the-warehouse]
title=FTP site orders-of-the-warehouse
description=Control and data ports of FTP site orders-of-the-warehouse
ports=2121,61047:61057/tcp
