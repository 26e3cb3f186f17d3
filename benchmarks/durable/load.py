import http.client
import json
import sys
import threading
def run(k):
    c=http.client.HTTPConnection('127.0.0.1',int(sys.argv[1]),timeout=60)
    for i in range(30):
        c.request('POST','/api/v1/deployments',json.dumps({"service":f"s{k}-{i}","version":"1"}),{'Content-Type':'application/json'})
        r=c.getresponse(); b=r.read(); assert r.status==202,(r.status,b)
ts=[threading.Thread(target=run,args=(k,)) for k in range(16)]
[t.start() for t in ts]; [t.join() for t in ts]; print('480 accepted')
