import re
import sys
recv={}; fs=[]; sends=[]; pend={}
for line in open(sys.argv[1], errors='replace'):
    m=re.match(r'(\d+)\s+([\d.]+) (.*)',line)
    if not m: continue
    pid,t,rest=m.group(1),float(m.group(2)),m.group(3)
    r=re.match(r'<\.\.\. (\w+) resumed>(.*)',rest)
    if r:
        start,call=pend.pop(pid,(t,rest)); full=call+r.group(2); begin=start; end=t
    elif 'unfinished' in rest:
        pend[pid]=(t,rest); continue
    else:
        full=rest; begin=t; d=re.search(r'<([\d.]+)>$',rest.strip()); end=t+(float(d.group(1)) if d else 0)
    if full.startswith(('fdatasync','fsync')): fs.append((begin,end))
    elif 'POST /api/v1/deployments' in full and full.startswith(('recv',)):
        fd=re.match(r'\w+\((\d+)',full).group(1); recv.setdefault(fd,[]).append(end)
    elif 'HTTP/1.1 202' in full and full.startswith(('send','write')):
        fd=re.match(r'\w+\((\d+)',full).group(1); sends.append((fd,begin))
bad=0
for fd,t in sends:
    rs=[x for x in recv.get(fd,[]) if x<=t]
    if not rs or not any(b>=rs[-1]-1e-6 and e<=t+1e-6 for b,e in fs): bad+=1
print('202 sent:',len(sends),'fdatasync/fsync:',len(fs),'sent without a sync that began after its request and returned before:',bad)
sys.exit(1 if bad or not sends else 0)
