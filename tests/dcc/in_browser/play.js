// Plays a GLB or an FBX up to a moment with three.js and sends back what it drew and where each vertex stands.
import * as THREE from 'three';
import { FBXLoader } from 'three/addons/loaders/FBXLoader.js';
import { GLTFLoader } from 'three/addons/loaders/GLTFLoader.js';

const send = (name, body) => fetch(`/answer/${name}`, { method: 'POST', body });

// Positions of all vertices that something shows, in the order of the first mesh of each head, which has all of them; of
// the corners of all triangles where a mesh has no index.
function vertices(meshes) {
  const heads = [];
  const point = new THREE.Vector3();
  for (const mesh of meshes) {
    const first = mesh.geometry.userData.firstVertex;
    if (first === undefined) heads.push(new Float32Array(3 * mesh.geometry.attributes.position.count));
    const positions = heads.at(-1);
    const shown = mesh.geometry.index ? new Set(mesh.geometry.index.array) : positions.keys().take(positions.length / 3);
    for (const i of shown) {
      mesh.getVertexPosition(i, point).applyMatrix4(mesh.matrixWorld).toArray(positions, 3 * ((first ?? 0) + i));
    }
  }
  return new Blob(heads);
}

async function play() {
  const asked = await (await fetch('/request.json')).json();
  const loaded = await new (asked.name.endsWith('.fbx') ? FBXLoader : GLTFLoader)().loadAsync(`/${asked.name}`);
  const { animations } = loaded;
  const face = loaded.scene ?? loaded;
  const mixer = new THREE.AnimationMixer(face);
  animations.forEach((clip) => mixer.clipAction(clip).play());
  mixer.setTime(asked.seconds);

  const scene = new THREE.Scene();
  scene.background = new THREE.Color(1, 1, 1);
  scene.add(face, new THREE.AmbientLight(0xffffff, 3));
  scene.updateMatrixWorld(true);
  const camera = new THREE.PerspectiveCamera(asked.fov, 1, asked.near, asked.far);
  camera.position.fromArray(asked.position);
  camera.lookAt(...asked.target);
  const renderer = new THREE.WebGLRenderer({ antialias: true, preserveDrawingBuffer: true });
  renderer.setSize(asked.size, asked.size);
  document.body.append(renderer.domElement);
  renderer.render(scene, camera);

  const meshes = [];
  face.traverse((node) => node.isMesh && meshes.push(node));
  await send('vertices', vertices(meshes));
  const picture = await new Promise((done) => renderer.domElement.toBlob(done, 'image/png'));
  await send('picture', picture);
  await send('done', JSON.stringify({ meshes: meshes.length, revision: THREE.REVISION, clips: animations.length }));
}

play().catch((error) => send('error', `${error.stack || error}`));
