# Made by pasvctl 0.1.0; do not edit: change the spec and generate it again.
# pasvctl.sh beside it loads it.

[pasvctl-edi]
title=FTP site edi
description=Control and data ports of FTP site edi
ports=2121,61000:61010/tcp
